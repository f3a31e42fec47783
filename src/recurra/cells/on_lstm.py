"""ON-LSTM: ordered neurons, units that forget in an order.

    i_t, f_t, g_t, o_t = split(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    a_t, k_t = split(W_im x_t + b_im + W_hm h_{t-1} + b_hm)          a number a chunk of units
    write_t = 1 - cumsum(softmax(a_t))
    keep_t = cumsum(softmax(k_t))
    both_t = keep_t * write_t
    f_t = sigmoid(f_t) * both_t + (keep_t - both_t)
    i_t = sigmoid(i_t) * both_t + (write_t - both_t)
    c_t = f_t * c_{t-1} + i_t * tanh(g_t)
    h_t = sigmoid(o_t) * tanh(c_t)

Units k·chunk_size … (k+1)·chunk_size - 1 share the k-th number of the master gates.

Source: Shen et al., "Ordered Neurons: Integrating Tree Structures into Recurrent Neural Networks",
2018, arXiv:1810.09536, section 4. The authors' code packs one matrix [master input, master forget |
output, cell, input, forget]; here the first two are `weight_im` and `weight_hm`, the other four
stand in the order of `torch.nn.LSTM`. All are drawn as those of `torch.nn.LSTM`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import add_weights, uniform
from recurra.errors import OptionError


class ONLSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]


class ONLSTM(Cell[ONLSTMState]):
    """LSTM with ordered neurons: the first units forget often, the last ones seldom.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the memory and of the output, H.
        chunk_size: how many units share a number of the master gates; a divisor of H.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter
    bias_hh: nn.Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        chunk_size: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("ONLSTM", input_size=input_size, hidden_size=hidden_size, chunk_size=chunk_size)
        if hidden_size % chunk_size:
            raise OptionError(
                f"ONLSTM: chunk_size is {chunk_size}, a divisor of hidden_size {hidden_size} fits"
            )
        self.input_size = input_size
        self.output_size = hidden_size
        self.chunk_size = chunk_size
        add_weights(self, 4, input_size, hidden_size, bias=True, device=device, dtype=dtype)
        bound, M = hidden_size**-0.5, 2 * (hidden_size // chunk_size)
        self.weight_im = uniform(bound, M, input_size, device=device, dtype=dtype)
        self.weight_hm = uniform(bound, M, hidden_size, device=device, dtype=dtype)
        self.bias_im = uniform(bound, M, device=device, dtype=dtype)
        self.bias_hm = uniform(bound, M, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> ONLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return ONLSTMState(zeros, torch.zeros_like(zeros))

    def step(
        self, x: Float[Tensor, "B F"], state: ONLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], ONLSTMState]:
        u = F.linear(x, self.weight_ih, self.bias_ih)
        i, f, g, o = (u + F.linear(state.h, self.weight_hh, self.bias_hh)).chunk(4, dim=-1)
        m = F.linear(x, self.weight_im, self.bias_im)
        a, k = (m + F.linear(state.h, self.weight_hm, self.bias_hm)).chunk(2, dim=-1)
        write = self._spread(1 - torch.softmax(a, dim=-1).cumsum(dim=-1))
        keep = self._spread(torch.softmax(k, dim=-1).cumsum(dim=-1))
        both = keep * write
        f = torch.sigmoid(f) * both + (keep - both)
        i = torch.sigmoid(i) * both + (write - both)
        c = f * state.c + i * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, ONLSTMState(h, c)

    def _spread(self, gate: Tensor) -> Tensor:
        """A number a chunk, (B, H / chunk_size), for every unit of it: (B, H)."""
        return gate.unsqueeze(-1).expand(-1, -1, self.chunk_size).flatten(1)
