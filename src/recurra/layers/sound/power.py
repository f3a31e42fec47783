"""How much of each frequency is in a sound, a frame of it at a time.

Frame t is the W samples from t * hop on; N samples have T = 1 + (N - W) // hop frames. Each is
treated by itself, so a frame is the same wherever the sound was cut:

    s'_n = s_n - emphasis * s_{n-1},        s'_0 = (1 - emphasis) s_0
    P_k = |Σ_n w_n s'_n exp(-2πi k n / K)|²,      w_n = 0.54 - 0.46 cos(2πn / (W - 1))

K is the power of two that is at least W; k = 0 … K/2.

Source: Young et al., "The HTK Book", version 3.4, 2006, section 5.2, equations 5.1 and 5.2.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.errors import OptionError


class PowerSpectrum(nn.Module):
    """Samples (B, N) to the power at each frequency (B, T, K/2 + 1).

    Args:
        rate: samples per second.
        window: length of a frame, seconds.
        hop: from one frame to the next, seconds; not longer than the window.
        emphasis: the share of the sample before that is taken off, 0 … below 1; raises what is
            high.

    Attributes:
        window_size: samples of a frame, W.
        hop_size: samples from one frame to the next.
        output_size: K/2 + 1.

    Raises:
        OptionError: an option does not fit.
    """

    window: Tensor

    def __init__(
        self,
        rate: int,
        window: float = 0.025,
        hop: float = 0.01,
        *,
        emphasis: float = 0.97,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("PowerSpectrum", rate=rate)
        self.window_size, self.hop_size = round(rate * window), round(rate * hop)
        if self.window_size < 2 or not 1 <= self.hop_size <= self.window_size:
            raise OptionError(
                f"PowerSpectrum: a window of {window:g} s every {hop:g} s is {self.window_size} "
                f"samples every {self.hop_size}; at least 2 every 1 to {self.window_size} fit"
            )
        if not 0 <= emphasis < 1:
            raise OptionError(f"PowerSpectrum: emphasis is {emphasis:g}, 0 to below 1 fits")
        self.emphasis = emphasis
        self.size = 1 << (self.window_size - 1).bit_length()
        self.output_size = self.size // 2 + 1
        shape = torch.hamming_window(self.window_size, periodic=False, dtype=torch.float64)
        self.register_buffer(
            "window", shape.to(dtype or torch.get_default_dtype()), persistent=False
        )

    def frames(self, samples: int) -> int:
        """How many frames so many samples have, T."""
        return max(0, 1 + (samples - self.window_size) // self.hop_size)

    def forward(self, samples: Float[Tensor, "B N"]) -> Float[Tensor, "B T bins"]:
        """The power of each frame."""
        if not self.frames(samples.shape[1]):
            return samples.new_zeros(len(samples), 0, self.output_size)
        frame = samples.unfold(1, self.window_size, self.hop_size)
        before = torch.cat([frame[..., :1], frame[..., :-1]], -1)
        parts = torch.fft.rfft((frame - self.emphasis * before) * self.window, self.size)
        power: Tensor = parts.real.square() + parts.imag.square()
        return power

    def feed(
        self, samples: Float[Tensor, "B N"], rest: Float[Tensor, "B R"] | None = None
    ) -> tuple[Float[Tensor, "B T bins"], Float[Tensor, "B R_after"]]:
        """The frames that are whole by now, and the samples that frames to come begin with.

        Args:
            samples: what came next; any number.
            rest: what the call before gave; none at a beginning.
        """
        joined = samples if rest is None else torch.cat([rest, samples], 1)
        taken = self.frames(joined.shape[1]) * self.hop_size
        return self(joined), joined[:, taken:].clone()
