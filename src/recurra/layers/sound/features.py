"""Spectra as ears and recognisers take them: log-mel, and the cepstrum of it.

    m_j = log(max(Σ_k F_jk P_k, floor))                           j = 0 … M-1
    c_i = √(2/M) Σ_j m_j cos(π i (j + 1/2) / M),    c_0 by √(1/M)

P is the power spectrum and F the triangles on the mel scale. The transform to c is orthonormal, so
the first coefficients are the best smooth copy of m.

Source: Davis and Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word
Recognition in Continuously Spoken Sentences", 1980, IEEE Transactions on Acoustics, Speech, and
Signal Processing 28(4), section II; Ahmed, Natarajan and Rao, "Discrete Cosine Transform", 1974,
IEEE Transactions on Computers C-23(1), equation 1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.engine import dense
from recurra.errors import OptionError
from recurra.layers.sound.mel import mel_filters
from recurra.layers.sound.power import PowerSpectrum

# Far below the rounding of 16 bits, which adds about 1e-7 to each band at usual windows.
FLOOR = 1e-10


class LogMel(nn.Module):
    """Samples (B, N), within ±1, to the log of the energy in bands (B, T, M).

    Args:
        rate: samples per second.
        bands: M.
        window: length of a frame, seconds.
        hop: from one frame to the next, seconds.
        low: where the lowest band begins, Hz.
        high: where the highest band ends, Hz; half the rate when not given.
        emphasis: of `PowerSpectrum`.

    Attributes:
        output_size: M.

    Raises:
        OptionError: an option does not fit.
    """

    filters: Tensor

    def __init__(
        self,
        rate: int,
        bands: int = 40,
        *,
        window: float = 0.025,
        hop: float = 0.01,
        low: float = 0.0,
        high: float | None = None,
        emphasis: float = 0.97,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.power = PowerSpectrum(rate, window, hop, emphasis=emphasis, dtype=dtype)
        triangles = mel_filters(bands, self.power.output_size, rate, low, high)
        self.register_buffer("filters", triangles.to(self.power.window.dtype), persistent=False)
        self.output_size = bands

    def forward(self, samples: Float[Tensor, "B N"]) -> Float[Tensor, "B T M"]:
        """The features of each frame."""
        return self.of(self.power(samples))

    def of(self, power: Float[Tensor, "B T bins"]) -> Float[Tensor, "B T M"]:
        """The features of frames whose power is known."""
        return torch.log(dense(power, self.filters).clamp(min=FLOOR))


class MFCC(nn.Module):
    """Samples (B, N), within ±1, to mel-frequency cepstral coefficients (B, T, coefficients).

    Args:
        mel: what they are made of.
        coefficients: how many are kept, the smoothest first; at most the bands.

    Raises:
        OptionError: an option does not fit.
    """

    cosines: Tensor

    def __init__(self, mel: LogMel, coefficients: int = 13) -> None:
        super().__init__()
        bands = mel.output_size
        if not 1 <= coefficients <= bands:
            raise OptionError(f"MFCC: coefficients is {coefficients}, 1 to {bands} bands fit")
        self.mel, self.power, self.output_size = mel, mel.power, coefficients
        cosines = cosine_transform(bands)[:coefficients].to(mel.filters.dtype)
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, samples: Float[Tensor, "B N"]) -> Float[Tensor, "B T coefficients"]:
        """The coefficients of each frame."""
        return self.of(self.power(samples))

    def of(self, power: Float[Tensor, "B T bins"]) -> Float[Tensor, "B T coefficients"]:
        """The coefficients of frames whose power is known."""
        return dense(self.mel.of(power), self.cosines)


def cosine_transform(size: int) -> Float[Tensor, "{size} {size}"]:
    """The orthonormal matrix of the discrete cosine transform, its second form, float64."""
    i = torch.arange(size, dtype=torch.float64)
    cosines = torch.cos(math.pi / size * i[:, None] * (i + 0.5)) * math.sqrt(2 / size)
    cosines[0] *= math.sqrt(0.5)
    return cosines
