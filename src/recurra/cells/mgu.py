"""MGU: the minimal gated unit, a GRU with one gate.

    f_t = sigmoid(W_if x_t + b_f + W_hf h_{t-1})
    n_t = tanh(W_in x_t + b_n + W_hn (f_t * h_{t-1}))
    h_t = (1 - f_t) * h_{t-1} + f_t * n_t

Source: Zhou et al., "Minimal Gated Unit for Recurrent Neural Networks", 2016, arXiv:1603.09420,
section 3, where f is called the forget gate though 1 writes and 0 keeps. Weights drawn as those of
`torch.nn.GRU`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import uniform


class MGUState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class MGU(Cell[MGUState]):
    """Minimal gated unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
    """

    gates: ClassVar[tuple[str, ...]] = ("forget", "new")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("MGU", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        bound, G = hidden_size**-0.5, 2 * hidden_size
        self.weight_ih = uniform(bound, G, input_size, device=device, dtype=dtype)
        self.weight_hh = uniform(bound, G, hidden_size, device=device, dtype=dtype)
        self.bias_ih = uniform(bound, G, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> MGUState:
        return MGUState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: MGUState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], MGUState]:
        u_f, u_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(2, dim=-1)
        w_f, w_n = self.weight_hh.chunk(2)
        f = torch.sigmoid(u_f + F.linear(state.h, w_f))
        n = torch.tanh(u_n + F.linear(f * state.h, w_n))
        h = torch.lerp(state.h, n, f)  # (1 - f) * h + f * n
        return h, MGUState(h)
