"""Phased LSTM: an LSTM whose units are open in one short part of a rhythm of their own.

    phase_t = frac(time_t / period - shift / period)                  frac(u) = u - floor(u)
    k_t = 2 phase_t / r                 where phase_t < r / 2
          2 - 2 phase_t / r             where r / 2 ≤ phase_t < r
          leak * phase_t                elsewhere
    i_t, f_t, g_t, o_t = split(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    c' = sigmoid(f_t) * c_{t-1} + sigmoid(i_t) * tanh(g_t)
    h' = sigmoid(o_t) * tanh(c')
    c_t = k_t * c' + (1 - k_t) * c_{t-1}
    h_t = k_t * h' + (1 - k_t) * h_{t-1}

With peepholes i_t and f_t also see p_i * c_{t-1} and p_f * c_{t-1}, and o_t sees p_o * c'.

The state holds the time as turns of each unit's rhythm, frac(time_t / period): a clock in float32
stands still after 2^24 ticks, turns do not. As the authors' program does, the leak works while
training alone, and is 0 in evaluation. The period is learned through its logarithm, which keeps it
above 0; at first log period ~ U(log 1, log 1000) and shift ~ U(0, period).

Source: Neil, Pfeiffer and Liu, "Phased LSTM: Accelerating Recurrent Network Training for Long or
Event-based Sequences", 2016, arXiv:1610.09513, section 2, equations 5 to 10; the weights begin as
those of `torch.nn.LSTM`, in its order.
"""

from math import log
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.timed import Timed, as_timed
from recurra.cells.weights import add_weights
from recurra.errors import OptionError


class PhasedLSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it, `turns` each unit's time, in [0, 1)."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]
    turns: Float[Tensor, "B H"]


class PhasedLSTM(Cell[PhasedLSTMState]):
    """LSTM with a time gate, for events and many rates.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        peephole: whether the gates see the memory.
        periods: the shortest and the longest period to begin with, in the unit of the gaps.
        open_ratio: share of a period for which a unit is open, r.
        leak: how far a closed unit is open while training.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    takes: tuple[type, ...] = (Timed,)
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter
    bias_hh: nn.Parameter
    weight_peephole: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        peephole: bool = False,
        periods: tuple[float, float] = (1.0, 1000.0),
        open_ratio: float = 0.05,
        leak: float = 1e-3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("PhasedLSTM", input_size=input_size, hidden_size=hidden_size)
        shortest, longest = periods
        if not 0 < shortest <= longest:
            raise OptionError(f"PhasedLSTM: periods are {periods}, 0 < shortest <= longest fits")
        if not 0 < open_ratio <= 1:
            raise OptionError(f"PhasedLSTM: open_ratio is {open_ratio}, it must lie in (0, 1]")
        if not 0 <= leak <= 1:
            raise OptionError(f"PhasedLSTM: leak is {leak}, it must lie in [0, 1]")
        self.input_size = input_size
        self.output_size = hidden_size
        self.open_ratio, self.leak = open_ratio, leak
        add_weights(self, 4, input_size, hidden_size, bias=True, device=device, dtype=dtype)
        log_period = torch.empty(hidden_size, device=device, dtype=dtype)
        log_period.uniform_(log(shortest), log(longest))
        self.log_period = nn.Parameter(log_period)
        self.shift = nn.Parameter(torch.rand_like(log_period) * log_period.exp())
        bound = hidden_size**-0.5
        peepholes = log_period.new_empty(3 * hidden_size).uniform_(-bound, bound)
        self.weight_peephole = nn.Parameter(peepholes) if peephole else None

    def initial_state(self, batch_size: int) -> PhasedLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return PhasedLSTMState(zeros, zeros, zeros)

    def step(
        self, x: Float[Tensor, "B F"] | Timed, state: PhasedLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], PhasedLSTMState]:
        value, gap = as_timed(x)
        u = F.linear(value, self.weight_ih, self.bias_ih)
        i, f, g, o = (u + F.linear(state.h, self.weight_hh, self.bias_hh)).chunk(4, dim=-1)
        p = None if self.weight_peephole is None else self.weight_peephole.chunk(3)
        if p is not None:
            i, f = i + p[0] * state.c, f + p[1] * state.c
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        o = o if p is None else o + p[2] * c
        h = torch.sigmoid(o) * torch.tanh(c)
        period = torch.exp(self.log_period)
        turns = _frac(state.turns + gap / period)
        k = self._openness(_frac(turns - self.shift / period))
        c = k * c + (1 - k) * state.c
        h = k * h + (1 - k) * state.h
        return h, PhasedLSTMState(h, c, turns)

    def _openness(self, phase: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        rising = phase * (2 / self.open_ratio)
        closed = phase * (self.leak if self.training else 0.0)
        return torch.where(phase < self.open_ratio, torch.minimum(rising, 2 - rising), closed)


def _frac(u: Tensor) -> Tensor:
    return u - torch.floor(u)
