"""Sound from files: rates, channels, blocks, and files that are none."""

import sys

import numpy as np
import pytest
import soundfile

from recurra.data.signals import sound
from recurra.data.signals.sound import look_at_sound, read_sound, sound_blocks
from recurra.errors import DataError, MissingFileError, MissingPackageError, OptionError

RATE = 8000


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(0.5, RATE), RATE, subtype="FLOAT")
    return path


def test_samples_come_as_they_were_written(wav):
    np.testing.assert_array_equal(read_sound(wav, RATE), tone(0.5, RATE).astype(np.float32))
    found = look_at_sound(wav)
    assert (found.rate, found.channels, found.samples, found.seconds) == (RATE, 1, 4000, 0.5)


@pytest.mark.parametrize("ending", ["flac", "ogg"])
def test_other_formats_are_read(tmp_path, ending):
    path = tmp_path / f"tone.{ending}"
    soundfile.write(path, tone(0.5, RATE), RATE)
    found = read_sound(path, RATE)
    assert len(found) == 4000
    assert np.corrcoef(found, tone(0.5, RATE))[0, 1] > 0.999


def test_channels_become_their_mean(tmp_path):
    path = tmp_path / "two.wav"
    both = np.stack([tone(0.1, RATE), tone(0.1, RATE, 1000)], 1)
    soundfile.write(path, both, RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_sound(path, RATE), both.mean(1), atol=1e-7)


@pytest.mark.parametrize("rate", [4000, 12000])
def test_a_tone_is_the_same_tone_at_another_rate(wav, rate):
    found, want = read_sound(wav, rate), tone(0.5, rate)
    assert len(found) == len(want)
    inside = slice(rate // 20, -rate // 20)
    np.testing.assert_allclose(found[inside], want[inside], atol=2e-3)


@pytest.mark.parametrize("rate", [RATE, 5000])
def test_blocks_of_any_size_are_the_whole(wav, rate):
    whole = read_sound(wav, rate)
    for seconds in (16 / RATE, 0.0371, 0.5, 9.0):
        pieces = [*sound_blocks(wav, rate, seconds)]
        assert len(pieces) > 1 or seconds >= 0.5
        np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)


def test_a_file_is_read_a_block_at_a_time(wav, monkeypatch):
    asked = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda file, n, **way: asked.append(n) or read(file, n, **way)
    )
    assert len([*sound_blocks(wav, RATE, 0.1)]) == 5
    assert set(asked) == {800}


def broken(name: str) -> bytes:
    return {"empty.wav": b"", "junk.wav": b"no sound at all " * 20, "junk.ogg": b"OggS" * 50}[name]


@pytest.mark.parametrize("name", ["empty.wav", "junk.wav", "junk.ogg"])
def test_a_file_that_is_no_sound_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(broken(name))
    with pytest.raises(DataError, match=rf"{name}: cannot be read as sound \(.+\); .*--skip-bad"):
        read_sound(tmp_path / name, RATE)


def test_a_sound_of_length_0_is_named(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    with pytest.raises(DataError, match=r"none\.wav: a sound of length 0"):
        read_sound(tmp_path / "none.wav", RATE)


def test_samples_that_are_not_finite_are_named(tmp_path):
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=r"nan\.wav: samples that are NaN"):
        read_sound(tmp_path / "nan.wav", RATE)


def test_what_is_too_long_is_refused_before_it_is_read(wav, monkeypatch):
    monkeypatch.setattr(sound, "sound_blocks", None)
    with pytest.raises(DataError, match=r"0 seconds of sound, at most 0 .* --most-seconds"):
        read_sound(wav, RATE, most_seconds=0.4)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match=r"away\.wav"):
        read_sound(tmp_path / "away.wav", RATE)


def test_a_rate_that_is_none(wav):
    with pytest.raises(OptionError, match="rate 0"):
        next(sound_blocks(wav, 0))


@pytest.mark.parametrize(("package", "rate"), [("soundfile", RATE), ("soxr", 4000)])
def test_without_a_package_one_is_told_what_to_install(wav, monkeypatch, package, rate):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"pip install 'recurra\[speech\]'"):
        read_sound(wav, rate)
