"""Peephole LSTM: gates that see the memory.

    i_t, f_t, g_t, o_t = split(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    p_i, p_f, p_o = split(w_ch)
    i_t = sigmoid(i_t + p_i * c_{t-1})
    f_t = sigmoid(f_t + p_f * c_{t-1})
    c_t = f_t * c_{t-1} + i_t * tanh(g_t)
    o_t = sigmoid(o_t + p_o * c_t)
    h_t = o_t * tanh(c_t)

Source: Gers and Schmidhuber, "Recurrent Nets that Time and Count", 2000, IJCNN; with the squashing
functions of Gers, Schraudolph and Schmidhuber, "Learning Precise Timing with LSTM Recurrent
Networks", 2002, JMLR 3, replaced by tanh, as libraries have it. The weights are drawn as those of
`torch.nn.LSTM`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import add_weights, uniform


class PeepholeLSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]


class PeepholeLSTM(Cell[PeepholeLSTMState]):
    """LSTM whose input and forget gates see the old memory, and its output gate the new one.

    `weight_ch` (3H) holds what the gates give to the memory: input, forget, output.

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
        positive("PeepholeLSTM", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        add_weights(self, 4, input_size, hidden_size, bias=bias, device=device, dtype=dtype)
        self.weight_ch = uniform(hidden_size**-0.5, 3 * hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> PeepholeLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return PeepholeLSTMState(zeros, torch.zeros_like(zeros))

    def step(
        self, x: Float[Tensor, "B F"], state: PeepholeLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], PeepholeLSTMState]:
        u = F.linear(x, self.weight_ih, self.bias_ih)
        i, f, g, o = (u + F.linear(state.h, self.weight_hh, self.bias_hh)).chunk(4, dim=-1)
        p_i, p_f, p_o = self.weight_ch.chunk(3)
        i = torch.sigmoid(i + p_i * state.c)
        f = torch.sigmoid(f + p_f * state.c)
        c = f * state.c + i * torch.tanh(g)
        h = torch.sigmoid(o + p_o * c) * torch.tanh(c)
        return h, PeepholeLSTMState(h, c)
