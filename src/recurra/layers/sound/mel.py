"""The mel scale, on which equal steps sound equally far apart, and triangles along it.

    mel = 2595 log10(1 + f / 700)                           f in Hz

The M triangles stand on M + 2 points that are evenly spaced in mel. Each is 1 at its middle point,
falls along a line in mel, and is 0 from its neighbours' middles on.

Sources: O'Shaughnessy, "Speech Communication: Human and Machine", 1987, page 150; Young et al.,
"The HTK Book", version 3.4, 2006, section 5.4, equation 5.13 and figure 5.3.
"""

from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from recurra.cells.check import positive
from recurra.errors import OptionError

Number = TypeVar("Number", float, NDArray[np.float64])


def mel_of(hertz: Number) -> Number:
    """Hertz as mel."""
    mel: Number = 2595 * np.log10(1 + hertz / 700)
    return mel


def hertz_of(mel: Number) -> Number:
    """Mel as hertz."""
    hertz: Number = 700 * (10 ** (mel / 2595) - 1)
    return hertz


def mel_filters(
    bands: int, bins: int, rate: int, low: float = 0.0, high: float | None = None
) -> Float[Tensor, "{bands} {bins}"]:
    """What share of each frequency of a spectrum belongs to each band, float64.

    Args:
        bands: triangles, M.
        bins: frequencies of the spectrum, from 0 to half the rate.
        rate: samples per second.
        low: where the first triangle begins, in Hz.
        high: where the last one ends, in Hz; half the rate when not given.

    Raises:
        OptionError: the range does not fit, or a triangle is so narrow that it holds no frequency.
    """
    positive("mel_filters", bands=bands, bins=bins, rate=rate)
    top = rate / 2 if high is None else high
    if not 0 <= low < top <= rate / 2:
        raise OptionError(
            f"mel_filters: from {low:g} to {top:g} Hz at {rate} samples a second; "
            f"0 <= low < high <= {rate / 2:g} fits"
        )
    points = np.linspace(mel_of(low), mel_of(top), bands + 2)[:, None]
    at = mel_of(np.linspace(0, rate / 2, bins))
    step = points[1] - points[0]
    triangles = np.maximum(0, 1 - np.abs(at - points[1:-1]) / step)
    empty = np.flatnonzero(~triangles.any(axis=1))
    if len(empty):
        raise OptionError(
            f"mel_filters: band {empty[0]} of {bands} lies between two of {bins} frequencies; "
            "fewer bands or a longer window fit"
        )
    return torch.from_numpy(triangles)
