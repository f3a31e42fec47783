"""GRU as first published: the reset gate before the product.

    r_t = sigmoid(W_ir x_t + b_r + W_hr h_{t-1})
    z_t = sigmoid(W_iz x_t + b_z + W_hz h_{t-1})
    n_t = tanh(W_in x_t + b_n + W_hn (r_t * h_{t-1}))
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

Source: Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder", 2014,
arXiv:1406.1078v1, section 2.3, equations 5 to 8, with biases. Keras has it as
`GRU(reset_after=False)`, ONNX as `linear_before_reset=0`. It is another function than `GRU`: no
weights of one make the other. Gates in the order of `torch.nn.GRU`, weights drawn as its.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import uniform


class ResetBeforeGRUState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class ResetBeforeGRU(Cell[ResetBeforeGRUState]):
    """Gated recurrent unit with the reset gate before the product.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
    """

    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "new")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("ResetBeforeGRU", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        bound, G = hidden_size**-0.5, 3 * hidden_size
        self.weight_ih = uniform(bound, G, input_size, device=device, dtype=dtype)
        self.weight_hh = uniform(bound, G, hidden_size, device=device, dtype=dtype)
        self.bias_ih = uniform(bound, G, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> ResetBeforeGRUState:
        return ResetBeforeGRUState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: ResetBeforeGRUState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], ResetBeforeGRUState]:
        H = self.output_size
        u_r, u_z, u_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, dim=-1)
        v_r, v_z = F.linear(state.h, self.weight_hh[: 2 * H]).chunk(2, dim=-1)
        r = torch.sigmoid(u_r + v_r)
        z = torch.sigmoid(u_z + v_z)
        n = torch.tanh(u_n + F.linear(r * state.h, self.weight_hh[2 * H :]))
        h = torch.lerp(n, state.h, z)  # (1 - z) * n + z * h
        return h, ResetBeforeGRUState(h)
