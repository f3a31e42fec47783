"""LSTM: long short-term memory with a forget gate.

    i_t, f_t, g_t, o_t = split(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    c_t = sigmoid(f_t) * c_{t-1} + sigmoid(i_t) * tanh(g_t)
    h_t = sigmoid(o_t) * tanh(c_t)

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, Neural Computation 9(8); forget
gate: Gers, Schmidhuber and Cummins, "Learning to Forget", 2000, Neural Computation 12(10). Gates
in the order of `torch.nn.LSTM`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import add_weights


class LSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]


class LSTM(Cell[LSTMState]):
    """Long short-term memory.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the memory and of the output, H.
        bias: whether b_ih and b_hh exist.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
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
        positive("LSTM", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        add_weights(self, 4, input_size, hidden_size, bias=bias, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> LSTMState:
        h, c = self.weight_hh.new_zeros(2, batch_size, self.output_size).unbind()
        return LSTMState(h, c)

    def step(
        self, x: Float[Tensor, "B F"], state: LSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], LSTMState]:
        u = F.linear(x, self.weight_ih, self.bias_ih)
        i, f, g, o = (u + F.linear(state.h, self.weight_hh, self.bias_hh)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, LSTMState(h, c)
