"""Layer-norm LSTM: both products and the memory are normalised.

    i_t, f_t, g_t, o_t = split(LN(W_ih x_t; a_ih) + LN(W_hh h_{t-1}; a_hh) + b_ih)
    c_t = sigmoid(f_t) * c_{t-1} + sigmoid(i_t) * tanh(g_t)
    h_t = sigmoid(o_t) * tanh(LN(c_t; a_c, b_c))

LN(u; a, b) = a * (u - mean(u)) / sqrt(var(u) + 1e-5) + b, over all 4H numbers of a product; with
`per_gate` over the H numbers of each gate by itself, as some implementations have it.

Source: Ba, Kiros and Hinton, "Layer Normalization", 2016, arXiv:1607.06450, appendix, equations 20
to 22. There each norm of a product has a shift besides; the three shifts add up, so b_ih stands for
all of them. Gains begin at 1, biases at 0 (section 6), the matrices as those of `torch.nn.LSTM`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import uniform


class LayerNormLSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]


class LayerNormLSTM(Cell[LayerNormLSTMState]):
    """LSTM with layer norms inside.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the memory and of the output, H.
        per_gate: whether each gate is normalised by itself.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        per_gate: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("LayerNormLSTM", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        self.per_gate = per_gate
        bound, G = hidden_size**-0.5, 4 * hidden_size
        self.weight_ih = uniform(bound, G, input_size, device=device, dtype=dtype)
        self.weight_hh = uniform(bound, G, hidden_size, device=device, dtype=dtype)
        self.bias_ih = nn.Parameter(torch.zeros(G, device=device, dtype=dtype))
        self.gain_ih = nn.Parameter(torch.ones(G, device=device, dtype=dtype))
        self.gain_hh = nn.Parameter(torch.ones(G, device=device, dtype=dtype))
        self.norm_c = nn.LayerNorm(hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> LayerNormLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return LayerNormLSTMState(zeros, torch.zeros_like(zeros))

    def step(
        self, x: Float[Tensor, "B F"], state: LayerNormLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], LayerNormLSTMState]:
        u = self._normed(F.linear(x, self.weight_ih), self.gain_ih) + self.bias_ih
        v = self._normed(F.linear(state.h, self.weight_hh), self.gain_hh)
        i, f, g, o = (u + v).chunk(4, dim=-1)
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(self.norm_c(c))
        return h, LayerNormLSTMState(h, c)

    def _normed(self, u: Tensor, gain: Tensor) -> Tensor:
        if not self.per_gate:
            return F.layer_norm(u, gain.shape, gain)
        H = self.output_size
        return F.layer_norm(torch.unflatten(u, -1, (4, H)), (H,)).flatten(-2) * gain
