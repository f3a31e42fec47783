"""minGRU: a gated unit whose gates never look at the state.

    z_t = sigmoid(W_z x_t + b_z)
    n_t = W_n x_t + b_n
    h_t = (1 - z_t) * h_{t-1} + z_t * n_t

Source: Feng et al., "Were RNNs All We Needed?", 2024, arXiv:2410.01201, section 3.1.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways


class MinGRUState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class MinGRU(Linear[MinGRUState]):
    """Minimal gated recurrent unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
    """

    gates: ClassVar[tuple[str, ...]] = ("update", "new")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("MinGRU", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        self.project = nn.Linear(input_size, 2 * hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> MinGRUState:
        return MinGRUState(self.project.weight.new_zeros(batch_size, self.output_size))

    def over(
        self, x: Float[Tensor, "B ... F"], state: MinGRUState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], MinGRUState]:
        z, n = self.project(x).chunk(2, dim=-1)
        z = torch.sigmoid(z)
        y, h = ways.scan(1 - z, z * n, state.h)
        return y, MinGRUState(h)
