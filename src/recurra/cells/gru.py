"""GRU: gated recurrent unit, the reset gate after the product.

    r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
    z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
    n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn))
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

Source: Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder", 2014,
arXiv:1406.1078; the form with the reset gate after the product is cuDNN's. Gates in the order of
`torch.nn.GRU`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import add_weights


class GRUState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class GRU(Cell[GRUState]):
    """Gated recurrent unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        bias: whether b_ih and b_hh exist.
    """

    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "new")
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("GRU", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        add_weights(self, 3, input_size, hidden_size, bias=bias, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> GRUState:
        return GRUState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: GRUState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], GRUState]:
        u_r, u_z, u_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, dim=-1)
        v_r, v_z, v_n = F.linear(state.h, self.weight_hh, self.bias_hh).chunk(3, dim=-1)
        r = torch.sigmoid(u_r + v_r)
        z = torch.sigmoid(u_z + v_z)
        n = torch.tanh(u_n + r * v_n)
        h = torch.lerp(n, state.h, z)  # (1 - z) * n + z * h
        return h, GRUState(h)
