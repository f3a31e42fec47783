"""Coupled LSTM: what is written and what is forgotten come from one gate.

    s_t, g_t, o_t = split(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    f_t = sigmoid(s_t),  i_t = 1 - f_t            coupling="input"
    i_t = sigmoid(s_t),  f_t = 1 - i_t            coupling="forget"
    c_t = f_t * c_{t-1} + i_t * tanh(g_t)
    h_t = sigmoid(o_t) * tanh(c_t)

Source: Greff et al., "LSTM: A Search Space Odyssey", 2015, arXiv:1503.04069, section 3, variant
CIFG, without its peepholes. Libraries differ in the gate that has the weights; onnxruntime's
`input_forget` is coupling="forget". The two differ by the sign of s_t. The weights are drawn as
those of `torch.nn.LSTM`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import add_weights
from recurra.errors import OptionError

COUPLINGS = ("input", "forget")


class CoupledLSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]


class CoupledLSTM(Cell[CoupledLSTMState]):
    """LSTM that forgets exactly as much as it writes.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the memory and of the output, H.
        coupling: the gate that follows from the other, "input" or "forget".
        bias: whether b_ih and b_hh exist.
    """

    gates: ClassVar[tuple[str, ...]] = ("shared", "cell", "output")
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        coupling: str = "input",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("CoupledLSTM", input_size=input_size, hidden_size=hidden_size)
        if coupling not in COUPLINGS:
            known = ", ".join(COUPLINGS)
            raise OptionError(f"CoupledLSTM: coupling is {coupling!r}, one of {known} fits")
        self.input_size = input_size
        self.output_size = hidden_size
        self.coupling = coupling
        add_weights(self, 3, input_size, hidden_size, bias=bias, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> CoupledLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return CoupledLSTMState(zeros, torch.zeros_like(zeros))

    def step(
        self, x: Float[Tensor, "B F"], state: CoupledLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], CoupledLSTMState]:
        u = F.linear(x, self.weight_ih, self.bias_ih)
        s, g, o = (u + F.linear(state.h, self.weight_hh, self.bias_hh)).chunk(3, dim=-1)
        s = torch.sigmoid(s)
        f, i = (s, 1 - s) if self.coupling == "input" else (1 - s, s)
        c = f * state.c + i * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, CoupledLSTMState(h, c)
