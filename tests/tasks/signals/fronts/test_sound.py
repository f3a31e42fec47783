"""The front for sound: files and waveforms to frames of features, whole and in chunks."""

from dataclasses import asdict

import numpy as np
import pytest
import soundfile

from recurra.errors import DataError, OptionError
from recurra.tasks.signals.fronts import FRONTS, Sound
from recurra.tasks.signals.fronts import sound as module

RATE = 8000


def noise(samples: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(samples).astype(np.float32)


@pytest.mark.parametrize("features", ["log-mel", "mfcc"])
@pytest.mark.parametrize("deltas", [0, 1, 2])
def test_every_feature_has_a_name(features, deltas):
    front = Sound(features=features, deltas=deltas)
    steps = front.turn(noise(1000), "x")
    names = front.channels(steps.shape[1])
    assert steps.shape == (11, (1 + deltas) * {"log-mel": 40, "mfcc": 13}[features])
    assert steps.dtype == np.float32
    assert len(set(names)) == len(names) == steps.shape[1]
    assert FRONTS["sound"](**asdict(front)) == front


def test_a_tone_is_loudest_in_the_band_with_its_name():
    front = Sound(bands=20, level="kept")
    steps = front.turn(np.sin(2 * np.pi * 1000 * np.arange(4000) / RATE), "x")
    centres = [float(name.removesuffix(" Hz")) for name in front.channels(20)]
    loudest = centres[steps.mean(0).argmax()]
    assert min(centres, key=lambda hertz: abs(hertz - 1000)) == loudest


def test_a_file_read_whole_and_in_chunks_is_the_same(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", noise(20_000), RATE, subtype="FLOAT")
    front = Sound(deltas=1, level="kept")
    [(name, raw)] = front.read(tmp_path / "a.wav")
    whole = front.turn(raw, name)
    assert name == "a"
    np.testing.assert_allclose(
        np.concatenate([*front.chunks(tmp_path / "a.wav")]), whole, atol=1e-6
    )
    monkeypatch.setattr(module, "PIECE", 777)
    np.testing.assert_allclose(front.turn(raw, name), whole, atol=1e-6)


def test_louder_and_duller_is_the_same_where_the_level_is_removed(tmp_path):
    quiet = Sound().turn(noise(4000), "x")
    np.testing.assert_allclose(Sound().turn(3 * noise(4000), "x"), quiet, atol=1e-3)
    np.testing.assert_allclose(quiet.mean(axis=0), np.zeros(40), atol=1e-5)
    kept = Sound(level="kept").turn(noise(4000), "x")
    np.testing.assert_allclose(kept - kept.mean(axis=0), quiet, atol=1e-6)
    soundfile.write(tmp_path / "a.wav", noise(4000), RATE)
    assert Sound().chunks(tmp_path / "a.wav") is None


def test_whole_numbers_are_parts_of_their_largest():
    floats = np.round(noise(500) * 2**15) / 2**15
    whole = (floats * 2**15).astype(np.int16)
    np.testing.assert_array_equal(Sound().turn(whole, "x"), Sound().turn(floats, "x"))


@pytest.mark.parametrize("deltas", [0, 2])
def test_a_sound_shorter_than_a_window_is_one_frame(deltas):
    front = Sound(deltas=deltas, level="kept")
    found = front.turn(noise(50), "x")
    filled = front.turn(np.pad(noise(50), (0, 150)), "x")
    assert found.shape[0] == 1
    np.testing.assert_array_equal(found, filled)


def test_what_was_done_to_a_file_is_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(2000).reshape(-1, 2), 16000)
    assert Sound().facts(tmp_path / "a.wav") == (
        "2 channels mixed down to one",
        "16,000 samples a second brought to 8,000",
    )
    soundfile.write(tmp_path / "b.wav", noise(2000), RATE)
    assert Sound().facts(tmp_path / "b.wav") == ()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (np.zeros((3, 2)), r"clip: float64 of shape \(3, 2\); a waveform is an array \(T,\)"),
        (np.array(["a"]), "clip: <U1 of shape"),
        (np.zeros(0), "clip: a sound of length 0"),
        (np.zeros(9, np.uint8), "clip: uint8 samples; int16"),
        (np.array([0.0, np.inf]), "clip: samples that are NaN or infinite"),
        (np.zeros(8001), "clip: 1 seconds of sound, at most 1 are taken; --most-seconds"),
    ],
    ids=str,
)
def test_waveforms_that_do_not_fit(raw, says):
    with pytest.raises(DataError, match=says):
        Sound(most_seconds=1.0).turn(raw, "clip")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"features": "mel"}, "features is 'mel', log-mel and mfcc fit"),
        ({"rate": 0}, "rate is 0"),
        ({"bands": 90}, "90 lies between two"),
        ({"coefficients": 41, "features": "mfcc"}, "1 to 40"),
        ({"hop": 30.0}, "a window of 0.025 s every 0.03 s"),
        ({"deltas": 3}, "deltas is 3"),
        ({"most_seconds": 0.0}, "most_seconds is 0"),
        ({"level": "loud"}, "level is 'loud', removed and kept fit"),
    ],
)
def test_options_that_do_not_fit(fields, says):
    with pytest.raises(OptionError, match=says):
        Sound(**fields)
