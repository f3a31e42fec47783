"""Spectra against their definitions written out, and whole against piece by piece."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.errors import OptionError
from recurra.layers.sound import (
    MFCC,
    Deltas,
    Hearing,
    LogMel,
    PowerSpectrum,
    hertz_of,
    mel_filters,
    mel_of,
)
from recurra.layers.sound.features import FLOOR, cosine_transform

RATE = 8000
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def sound(samples: int, rows: int = 2) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(rows, samples, generator=drawn, dtype=torch.float64)


def frames_by_definition(samples: list[float], W: int, hop: int, emphasis: float) -> np.ndarray:
    """Each frame with the one before taken off, under Hamming's window, one number at a time."""
    found = []
    for begin in range(0, len(samples) - W + 1, hop):
        s = samples[begin : begin + W]
        less = [(1 - emphasis) * s[0], *(s[n] - emphasis * s[n - 1] for n in range(1, W))]
        found.append(
            [less[n] * (0.54 - 0.46 * math.cos(2 * math.pi * n / (W - 1))) for n in range(W)]
        )
    return np.array(found)


def power_by_definition(frames: np.ndarray, K: int) -> np.ndarray:
    k, n = np.arange(K // 2 + 1)[:, None], np.arange(frames.shape[1])
    turns = 2 * np.pi * k * n / K
    return (frames @ np.cos(turns).T) ** 2 + (frames @ np.sin(turns).T) ** 2


@pytest.mark.parametrize(
    ("window", "hop", "W", "step"), [(0.025, 0.01, 200, 80), (0.004, 0.004, 32, 32)]
)
def test_power_is_that_of_the_definition(window, hop, W, step):
    power = PowerSpectrum(RATE, window, hop, dtype=torch.float64)
    x = sound(W + 3 * step + 1, rows=1)
    frames = frames_by_definition(x[0].tolist(), W, step, 0.97)
    want = power_by_definition(frames, power.size)
    assert (power.window_size, power.hop_size, len(want)) == (W, step, 4)
    torch.testing.assert_close(power(x)[0], torch.from_numpy(want), **CLOSE)


def test_a_tone_is_heard_at_its_frequency():
    t = torch.arange(RATE) / RATE
    power = PowerSpectrum(RATE)(torch.sin(2 * math.pi * 1000 * t)[None])
    assert power.shape == (1, 98, 129)
    assert set(power.argmax(-1)[0].tolist()) == {32}  # 1000 Hz in steps of 8000 / 256


def test_mel_is_the_published_formula():
    for hertz, mel in [(0.0, 0.0), (700.0, 781.17), (1000.0, 999.99), (4000.0, 2146.06)]:
        assert mel_of(hertz) == pytest.approx(mel, abs=0.01)
        assert hertz_of(mel_of(hertz)) == pytest.approx(hertz, abs=1e-9)


def test_filters_are_triangles_on_evenly_spaced_mels():
    bands, bins, low, high = 20, 129, 100.0, 3500.0
    filters = mel_filters(bands, bins, RATE, low, high).numpy()
    points = [
        mel_of(low) + (mel_of(high) - mel_of(low)) * m / (bands + 1) for m in range(bands + 2)
    ]
    for m in range(bands):
        left, middle, right = points[m : m + 3]
        for k in range(bins):
            mel = mel_of(k * RATE / 2 / (bins - 1))
            rising, falling = (mel - left) / (middle - left), (right - mel) / (right - middle)
            assert filters[m, k] == pytest.approx(max(0.0, min(rising, falling)), abs=1e-9)


def test_log_mel_and_cepstrum_are_those_of_the_definition():
    mel = LogMel(RATE, 23, dtype=torch.float64)
    x = sound(1000)
    energies = mel.power(x) @ mel.filters.T
    torch.testing.assert_close(mel(x), energies.log(), **CLOSE)
    want = torch.zeros(2, energies.shape[1], 13, dtype=torch.float64)
    for i in range(13):
        scale = math.sqrt((1 if i == 0 else 2) / 23)
        for j in range(23):
            want[..., i] += scale * energies[..., j].log() * math.cos(math.pi * i * (j + 0.5) / 23)
    torch.testing.assert_close(MFCC(mel)(x), want, **CLOSE)


def test_silence_is_the_floor():
    assert torch.equal(LogMel(RATE)(torch.zeros(1, 200)), torch.full((1, 1, 40), FLOOR).log())


def test_the_cosine_transform_is_orthonormal():
    cosines = cosine_transform(7)
    torch.testing.assert_close(cosines @ cosines.T, torch.eye(7, dtype=torch.float64), **CLOSE)


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_slopes_are_those_of_the_regression(reach):
    c = sound(5, rows=1)[..., None]
    values, norm = c[0, :, 0].tolist(), 2 * sum(k * k for k in range(1, reach + 1))
    want = [
        sum(k * (values[min(t + k, 4)] - values[max(t - k, 0)]) for k in range(1, reach + 1)) / norm
        for t in range(5)
    ]
    found = Deltas(1, reach)(c)
    assert torch.equal(found[..., :1], c)
    torch.testing.assert_close(found[0, :, 1].tolist(), want, **CLOSE)


def test_the_slope_of_a_line_is_its_own():
    line = 3.0 * torch.arange(20.0)[None, :, None]
    torch.testing.assert_close(Deltas(1)(line)[0, 2:-2, 1], torch.full((16,), 3.0))


def test_slopes_see_their_own_row_alone():
    x = sound(40, rows=3).view(3, 10, 4)
    lengths = torch.tensor([10, 4, 1])
    found = Deltas(4)(
        x.masked_fill(torch.arange(10)[:, None] >= lengths[:, None, None], torch.nan), lengths
    )
    for row, length in enumerate(lengths.tolist()):
        alone = Deltas(4)(x[row : row + 1, :length])
        assert torch.equal(found[row, :length], alone[0])


@pytest.mark.parametrize("deltas", [0, 1, 2])
@pytest.mark.parametrize("kind", ["log-mel", "mfcc"])
@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 1500), max_size=6))
def test_a_sound_may_be_cut_anywhere(kind, deltas, cuts):
    mel = LogMel(RATE)
    hearing = Hearing(mel if kind == "log-mel" else MFCC(mel), deltas)
    x = sound(1500).float()
    ends = [0, *sorted(cuts), 1500]
    state, pieces = None, []
    for begin, end in pairwise(ends):
        y, state = hearing.feed(x[:, begin:end], state)
        pieces.append(y)
    pieces.append(hearing.finish(state))
    whole = hearing(x)
    assert whole.shape == (2, 17, hearing.output_size)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("deltas", [0, 2])
def test_less_than_a_frame_is_no_frame(deltas):
    hearing = Hearing(LogMel(RATE), deltas)
    x = torch.ones(1, 199)
    y, state = hearing.feed(x)
    assert hearing(x).shape == y.shape == hearing.finish(state).shape == (1, 0, hearing.output_size)


def test_a_spectrum_has_a_gradient():
    x = sound(260).requires_grad_()
    features = Hearing(MFCC(LogMel(RATE, 20, dtype=torch.float64), 5), 1)
    assert torch.autograd.gradcheck(features, x[:1, :240].detach().requires_grad_(), fast_mode=True)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: PowerSpectrum(RATE, 0.01, 0.02), "80 samples every 160; at least 2 every 1 to 80"),
        (lambda: PowerSpectrum(RATE, emphasis=1.0), "emphasis is 1, 0 to below 1"),
        (lambda: LogMel(RATE, 100), "band 0 of 100 lies between two of 129 frequencies; fewer"),
        (lambda: LogMel(RATE, high=5000.0), r"from 0 to 5000 Hz at 8000 .* high <= 4000 fits"),
        (lambda: MFCC(LogMel(RATE), 41), "coefficients is 41, 1 to 40 bands fit"),
        (lambda: Hearing(LogMel(RATE), 3), "deltas is 3, 0, 1 or 2 fit"),
        (lambda: Deltas(0), "size is 0"),
    ],
)
def test_options_that_do_not_fit(make, says):
    with pytest.raises(OptionError, match=says):
        make()
