"""How features change over time: the slope of a line through neighbouring frames.

    d_t = Σ_θ θ (c_{t+θ} - c_{t-θ}) / (2 Σ_θ θ²)                  θ = 1 … reach

Before the first frame and behind the last, those two are repeated.

Source: Young et al., "The HTK Book", version 3.4, 2006, section 5.9, equation 5.16.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from recurra.cells.check import positive


class Deltas(nn.Module):
    """Features (B, T, F) and beside them how the last `size` of them change: (B, T, F + size).

    A slope needs what comes later, so what is fed in pieces comes out `reach` frames late.

    Args:
        size: of how many features, the last ones, slopes are taken.
        reach: frames on each side.

    Raises:
        OptionError: an option does not fit.
    """

    def __init__(self, size: int, reach: int = 2) -> None:
        super().__init__()
        positive("Deltas", size=size, reach=reach)
        self.size, self.reach = size, reach

    def forward(
        self, x: Float[Tensor, "B T F"], lengths: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B T F_size"]:
        """Whole sequences; what stands past a row's length has no influence and means nothing."""
        B, T = x.shape[:2]
        if not T:
            return torch.cat([x, x[..., -self.size :]], -1)
        last = x.new_full((B,), T, dtype=torch.int64) if lengths is None else lengths
        at = torch.arange(-self.reach, T + self.reach, device=x.device)
        at = torch.minimum(at.clamp(min=0), (last - 1).clamp(min=0)[:, None])
        return self._beside(x[torch.arange(B, device=x.device)[:, None], at])

    def feed(
        self, x: Float[Tensor, "B T F"], rest: Float[Tensor, "B R F"] | None = None
    ) -> tuple[Float[Tensor, "B S F_size"], Float[Tensor, "B R_after F"]]:
        """The frames whose later neighbours are known by now, and what those to come need.

        Args:
            x: the frames that came next; any number.
            rest: what the call before gave; none at a beginning.
        """
        if rest is not None and rest.shape[1]:
            joined = torch.cat([rest, x], 1)
        else:
            joined = torch.cat([x[:, :1]] * self.reach + [x], 1)
        return self._beside(joined), joined[:, -2 * self.reach :]

    def finish(self, rest: Float[Tensor, "B R F"]) -> Float[Tensor, "B S F_size"]:
        """The frames that are left when no more come."""
        return self._beside(torch.cat([rest, *[rest[:, -1:]] * self.reach], 1))

    def _beside(self, long: Tensor) -> Tensor:
        """All frames but `reach` of them at each end, and their slopes."""
        T = max(0, long.shape[1] - 2 * self.reach)
        c = long[..., -self.size :]
        slope = c.new_zeros(len(c), T, self.size)
        for far in range(1, self.reach + 1):
            behind, ahead = self.reach - far, self.reach + far
            slope = slope + far * (c[:, ahead : ahead + T] - c[:, behind : behind + T])
        slope = slope / (2 * sum(far**2 for far in range(1, self.reach + 1)))
        return torch.cat([long[:, self.reach : self.reach + T], slope], -1)
