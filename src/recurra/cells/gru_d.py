"""GRU-D: a GRU that lets old values and its memory fade where nothing was observed.

    d_t = gap_t + d_{t-1}     where the feature was missing at t - 1
          gap_t               where it was seen
    a_t = exp(-relu(w_x * d_t + b_x))                          (B, F), each feature by itself
    s_t = exp(-relu(W_h d_t + b_h))                            (B, H)
    x'  = x_t                                  where seen, the last value from then on;
          a_t * last + (1 - a_t) * mean        where missing
    h'  = s_t * h_{t-1}
    r_t, z_t = sigmoid(split(W_ih x' + W_mh m_t + W_hh h' + b))
    n_t = tanh(W_in x' + W_mn m_t + W_hn (r_t * h') + b_n)
    h_t = (1 - z_t) * h' + z_t * n_t

m_t is 1 where a feature was seen, 0 where it is missing. The state keeps the last value of each
feature, at first its mean, and the time since it was seen, so a step needs no more than the value,
what of it was seen, and the gap. The paper sets d_1 = 0 and names no first weights: here d_1 is the
first gap, all weights begin as those of `torch.nn.GRU`, U(±1/√H), and the decays, which would not
learn from a relu that is shut, as |U(±1/√H)| with b = 0.

Source: Che, Purushotham, Cho, Sontag and Liu, "Recurrent Neural Networks for Multivariate Time
Series with Missing Values", 2016, arXiv:1606.01865, section 2.3, equations 10 to 17.
"""

from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.timed import Observed, Timed, as_observed
from recurra.errors import OptionError


class GRUDState(NamedTuple):
    """`h` is the last output, `last` each feature's last value, `since` the time since then."""

    h: Float[Tensor, "B H"]
    last: Float[Tensor, "B F"]
    since: Float[Tensor, "B F"]


class GRUD(Cell[GRUDState]):
    """GRU for missing values and uneven time.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        mean: (F,), what each feature fades to; zeros, of features that are scaled, when not given.
    """

    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "new")
    takes: tuple[type, ...] = (Timed, Observed)
    mean: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        mean: Tensor | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("GRUD", input_size=input_size, hidden_size=hidden_size)
        if mean is not None and mean.shape != (input_size,):
            raise OptionError(f"GRUD: mean has shape {tuple(mean.shape)}, ({input_size},) fits")
        self.input_size = input_size
        self.output_size = hidden_size
        bound = hidden_size**-0.5

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, **there).uniform_(-bound, bound))

        there: dict[str, Any] = {"device": device, "dtype": dtype}
        zeros = torch.zeros(input_size, **there)
        self.register_buffer("mean", zeros if mean is None else mean.detach().to(zeros, copy=True))
        self.weight_ih = draw(3 * hidden_size, input_size)
        self.weight_mh = draw(3 * hidden_size, input_size)
        self.weight_hh = draw(3 * hidden_size, hidden_size)
        self.bias = draw(3 * hidden_size)
        self.value_decay = nn.Parameter(draw(input_size).detach().abs())
        self.value_decay_bias = nn.Parameter(torch.zeros(input_size, **there))
        self.memory_decay = nn.Parameter(draw(hidden_size, input_size).detach().abs())
        self.memory_decay_bias = nn.Parameter(torch.zeros(hidden_size, **there))

    def initial_state(self, batch_size: int) -> GRUDState:
        last = self.mean.expand(batch_size, -1)
        h = self.weight_hh.new_zeros(batch_size, self.output_size)
        return GRUDState(h, last, torch.zeros_like(last))

    def step(
        self, x: Float[Tensor, "B F"] | Timed | Observed, state: GRUDState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], GRUDState]:
        value, seen, gap = as_observed(x)
        waited = state.since + gap
        fade = torch.exp(-torch.relu(self.value_decay * waited + self.value_decay_bias))
        known = torch.where(seen, value, fade * state.last + (1 - fade) * self.mean)
        kept = torch.relu(F.linear(waited, self.memory_decay, self.memory_decay_bias))
        h = state.h * torch.exp(-kept)
        H = self.output_size
        there = F.linear(seen.to(value.dtype), self.weight_mh, self.bias)
        u = F.linear(known, self.weight_ih) + there
        gates = torch.sigmoid(u[:, : 2 * H] + F.linear(h, self.weight_hh[: 2 * H]))
        r, z = gates.chunk(2, dim=-1)
        n = torch.tanh(u[:, 2 * H :] + F.linear(r * h, self.weight_hh[2 * H :]))
        h = (1 - z) * h + z * n
        last = torch.where(seen, value, state.last)
        return h, GRUDState(h, last, waited.masked_fill(seen, 0.0))
