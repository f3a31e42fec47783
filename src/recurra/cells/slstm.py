"""sLSTM: an LSTM whose input gate is an exponential, and whose memory is normalised.

    i_t, f_t, z_t, o_t = W_ih x_t + b_ih + W_hh h_{t-1}          W_hh within each head alone
    k_t = logsigmoid(f_t) + m_{t-1}                              k_t = i_t where n_{t-1} = 0
    m_t = max(k_t, i_t)
    c_t = exp(k_t - m_t) * c_{t-1} + exp(i_t - m_t) * tanh(z_t)
    n_t = exp(k_t - m_t) * n_{t-1} + exp(i_t - m_t)
    h_t = sigmoid(o_t) * c_t / n_t

m scales c and n so that no exponential overflows; h does not depend on it. A row is at its first
step where n = 0, found for each unit by itself: m_1 = i_1, so a row's answer never depends on its
batch mates. From then on n ≥ 1.

Source: Beck et al., "xLSTM: Extended Long Short-Term Memory", 2024, arXiv:2405.04517, section 2.2,
equations 8 to 17, with the sigmoid as the forget gate and appendix A.2 for the heads. As in the
authors' code W_hh begins at 0, and b_ih at 0 but for the forget gate, where it falls within a head
from 5 to -7: 5 - 12 (j / (d - 1))^(0.3 + 1.3 place), j = 0 … d - 1. W_ih ~ N(0, 2 / (5F)). The
causal convolution and the norm around it there are no part of the cell.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.errors import OptionError


class SLSTMState(NamedTuple):
    """`h` is the last output; `c` is the memory and `n` its normaliser, both over e^m."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]
    n: Float[Tensor, "B H"]
    m: Float[Tensor, "B H"]


class SLSTM(Cell[SLSTMState]):
    """LSTM with exponential gates; `weight_hh` is (heads, 4D, D), D = H / heads.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the memory and of the output, H.
        heads: in how many parts the units see of h their own alone; a divisor of H.
        place: where the cell stands among the blocks of a network, 0 the first, 1 the last.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        place: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("SLSTM", input_size=input_size, hidden_size=hidden_size, heads=heads)
        if hidden_size % heads:
            raise OptionError(
                f"SLSTM: heads is {heads}, a divisor of hidden_size {hidden_size} fits"
            )
        if not 0 <= place <= 1:
            raise OptionError(f"SLSTM: place is {place}, 0 to 1 fit")
        self.input_size = input_size
        self.output_size = hidden_size
        self.heads = heads
        D, G = hidden_size // heads, 4 * hidden_size
        drawn = torch.empty(G, input_size, device=device, dtype=dtype)
        self.weight_ih = nn.Parameter(drawn.normal_(0, (0.4 / input_size) ** 0.5))
        self.weight_hh = nn.Parameter(torch.zeros(heads, 4 * D, D, device=device, dtype=dtype))
        self.bias_ih = nn.Parameter(torch.zeros(G, device=device, dtype=dtype))
        falling = 5 - 12 * torch.linspace(0, 1, D, dtype=self.bias_ih.dtype) ** (0.3 + 1.3 * place)
        with torch.no_grad():
            self.bias_ih[hidden_size : 2 * hidden_size] = falling.repeat(heads)

    def initial_state(self, batch_size: int) -> SLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return SLSTMState(*(torch.zeros_like(zeros) for _ in range(4)))

    def step(
        self, x: Float[Tensor, "B F"], state: SLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], SLSTMState]:
        u = F.linear(x, self.weight_ih, self.bias_ih).chunk(4, dim=-1)
        i, f, z, o = (a + b for a, b in zip(u, self._recurrent(state.h), strict=True))
        # Where there is no memory yet its scale means nothing, and might overflow.
        k = torch.where(state.n == 0, i, F.logsigmoid(f) + state.m)
        m = torch.maximum(k, i)
        keep, write = torch.exp(k - m), torch.exp(i - m)
        c = keep * state.c + write * torch.tanh(z)
        n = keep * state.n + write
        h = torch.sigmoid(o) * c / n
        return h, SLSTMState(h, c, n, m)

    def _recurrent(self, h: Tensor) -> tuple[Tensor, ...]:
        """What h gives to each gate, head by head; each (B, H)."""
        if self.heads == 1:
            return F.linear(h, self.weight_hh[0]).chunk(4, dim=-1)
        parts = torch.einsum(
            "bnd,ned->bne", torch.unflatten(h, -1, (self.heads, -1)), self.weight_hh
        )
        return tuple(part.flatten(1) for part in parts.chunk(4, dim=-1))
