"""minGRU: a gated unit whose gates never look at the state.

    z_t = sigmoid(W_z x_t + b_z)
    n_t = g(W_n x_t + b_n)          g(u) = u; with `positive`  u + 1/2 where u ≥ 0, else sigmoid(u)
    h_t = (1 - z_t) * h_{t-1} + z_t * n_t

Source: Feng et al., "Were RNNs All We Needed?", 2024, arXiv:2410.01201, section 3.1; g: appendix B.
The paper takes logarithms of positive states; here they are as they are.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells import check
from recurra.cells.over import Linear, Ways


class MinGRUState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class MinGRU(Linear[MinGRUState]):
    """Minimal gated recurrent unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        positive: candidates are above 0.
        signed: decays lie in (-1, 1) rather than in (0, 1): a becomes 2 a - 1.
    """

    gates: ClassVar[tuple[str, ...]] = ("update", "new")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        positive: bool = False,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check.positive("MinGRU", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        self.positive, self.signed = positive, signed
        self.project = nn.Linear(input_size, 2 * hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> MinGRUState:
        return MinGRUState(self.project.weight.new_zeros(batch_size, self.output_size))

    def over(
        self, x: Float[Tensor, "B ... F"], state: MinGRUState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], MinGRUState]:
        z, n = self.project(x).chunk(2, dim=-1)
        z = torch.sigmoid(z)
        n = above_zero(n) if self.positive else n
        keep = 1 - 2 * z if self.signed else 1 - z
        y, h = ways.scan(keep, z * n, state.h)
        return y, MinGRUState(h)


def above_zero(u: Tensor) -> Tensor:
    """g, which is continuous and keeps a state above 0."""
    return torch.where(u >= 0, u + 0.5, torch.sigmoid(u))
