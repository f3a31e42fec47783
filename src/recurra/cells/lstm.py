"""LSTM: long short-term memory with a forget gate.

    i_t, f_t, g_t, o_t = split(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    c_t = sigmoid(f_t) * c_{t-1} + sigmoid(i_t) * tanh(g_t)
    h_t = sigmoid(o_t) * tanh(c_t)            with a projection W_hr (sigmoid(o_t) * tanh(c_t))

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, Neural Computation 9(8); forget
gate: Gers, Schmidhuber and Cummins, "Learning to Forget", 2000, Neural Computation 12(10);
projection: Sak, Senior and Beaufays, "Long Short-Term Memory Based Recurrent Neural Network
Architectures for Large Vocabulary Speech Recognition", 2014, arXiv:1402.1128, section 2. Gates in
the order of `torch.nn.LSTM`.
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


class LSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it."""

    h: Float[Tensor, "B P"]
    c: Float[Tensor, "B H"]


class LSTM(Cell[LSTMState]):
    """Long short-term memory.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the memory, and of the output without a projection, H.
        bias: whether b_ih and b_hh exist.
        proj_size: width of a projected output, below H; 0 for none.
        forget_bias: what the forget gate's biases begin at, summed; as torch draws when not given.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None
    weight_hr: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        proj_size: int = 0,
        forget_bias: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("LSTM", input_size=input_size, hidden_size=hidden_size)
        if not 0 <= proj_size < hidden_size:
            raise OptionError(
                f"LSTM: proj_size is {proj_size}, 0 fits, or less than hidden_size {hidden_size}"
            )
        if forget_bias is not None and not bias:
            raise OptionError(f"LSTM: forget_bias is {forget_bias}, with bias=False None fits")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = proj_size or hidden_size
        add_weights(
            self,
            4,
            input_size,
            hidden_size,
            bias=bias,
            proj_size=proj_size,
            device=device,
            dtype=dtype,
        )
        if self.bias_ih is not None and self.bias_hh is not None and forget_bias is not None:
            with torch.no_grad():
                # torch adds two biases: one of them has the value.
                self.bias_ih[hidden_size : 2 * hidden_size] = forget_bias
                self.bias_hh[hidden_size : 2 * hidden_size] = 0

    def initial_state(self, batch_size: int) -> LSTMState:
        new_zeros = self.weight_hh.new_zeros
        return LSTMState(
            new_zeros(batch_size, self.output_size), new_zeros(batch_size, self.hidden_size)
        )

    def step(
        self, x: Float[Tensor, "B F"], state: LSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B P"], LSTMState]:
        u = F.linear(x, self.weight_ih, self.bias_ih)
        i, f, g, o = (u + F.linear(state.h, self.weight_hh, self.bias_hh)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        if self.weight_hr is not None:
            h = F.linear(h, self.weight_hr)
        return h, LSTMState(h, c)
