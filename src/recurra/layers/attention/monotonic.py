"""Monotonic attention: it goes along the memory from the place where it stood, and never back.

    e_j = g v/|v| · tanh(W q + U m_j + b) + r
    p_j = sigmoid(e_j + noise)                         that it stops at place j when it comes there
    a_tj = p_j Σ_{k≤j} a_{t-1,k} Π_{k≤l<j} (1 - p_l)         how likely it stops there in step t
    c_t = Σ_j a_tj m_j

Before the first step it stands at place 0. In evaluation p_j is 1 where e_j > 0 and 0 elsewhere:
the same line then gives the first such place from the last one on. Whoever finds none has gone
through the memory, and reads nothing from there on; so shares add up to 1 or less, and to ever
less. A place that is not there is passed by.

The sums are a recurrence along the places, whose neighbours are joined in twos, then the pairs, and
so on: nothing is divided by, and no logarithm taken.

    q_j = a_{t-1,j} + (1 - p_{j-1}) q_{j-1}              a_tj = p_j q_j

Source: Raffel et al., "Online and Linear-Time Attention by Enforcing Monotonic Alignments", 2017,
arXiv:1704.00784: section 2.2 and algorithm 1, section 2.3 for training, 2.4 for e, 2.5 for noise.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.errors import OptionError
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Prepared, check_places, filled, read
from recurra.layers.noise import Phase, draw_seeds, first_phase, next_noise, normal


class MonotonicState(NamedTuple):
    """`shares` of the last step, of as many places as a memory may have; where the noise stands."""

    shares: Float[Tensor, "B S"]
    noise: Phase | tuple[()]


class Monotonic(Attention):
    """Raffel's attention: expected alignments in training, hard ones in evaluation.

    Its noise is drawn by `prepare`; a memory that is not prepared has none.

    Args:
        query_size: Q.
        memory_size: E.
        hidden_size: columns of the network between.
        places: the most that a memory may have, S, as in `Location`.
        noise: deviation of what is added to e in training, so that p becomes 0 or 1.
        offset: first value of r; the lower it is, the further it looks along the memory at first.

    Raises:
        OptionError: an option does not fit.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        hidden_size: int,
        places: int,
        *,
        noise: float = 1.0,
        offset: float = -1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        where = "Monotonic"
        positive(where, query_size=query_size, memory_size=memory_size, hidden_size=hidden_size)
        positive(where, places=places)
        if noise < 0:
            raise OptionError(f"{where}: noise is {noise}, it must be at least 0")
        self.query_size, self.memory_size, self.places = query_size, memory_size, places
        self.output_size, self.noise = memory_size, noise
        self.query = nn.Linear(query_size, hidden_size, device=device, dtype=dtype)
        self.key = nn.Linear(memory_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.score = nn.Linear(hidden_size, 1, device=device, dtype=dtype)
        self.scale = nn.Parameter(torch.full((1,), hidden_size**-0.5, device=device, dtype=dtype))
        nn.init.constant_(self.score.bias, offset)

    def initial_state(self, batch_size: int) -> MonotonicState:
        like = self.scale.detach()
        first = F.pad(like.new_ones(batch_size, 1), (0, self.places - 1))
        units = _units(self.places)
        return MonotonicState(first, first_phase(like, batch_size, units) if self.noise else ())

    def keys(self, values: Tensor) -> Tensor:
        found: Tensor = self.key(values)
        return found

    def sample_noise(self, batch_size: int) -> Any:
        if not self.training or not self.noise:
            return None
        return draw_seeds(self.scale, batch_size, _units(self.places))

    def look(self, query: Tensor, state: MonotonicState, memory: Prepared) -> Found:
        S = memory.values.shape[1]
        check_places("Monotonic", S, self.places)
        e, phase = self._energies(query, memory), state.noise
        if memory.noise is not None and isinstance(phase, Phase):
            u, phase = next_noise(memory.noise, phase)
            e = e + self.noise * normal(u)[:, :S].detach()
        stop, go = (torch.sigmoid(e), torch.sigmoid(-e)) if self.training else _decided(e)
        if memory.there is not None:
            stop = torch.where(memory.there, stop, torch.zeros_like(stop))
            go = torch.where(memory.there, go, torch.ones_like(go))
        shares = stop * _arrivals(state.shares[:, :S], go)
        kept = MonotonicState(filled(shares, self.places), phase)
        return Found(read(shares, memory.values), shares, kept)

    def _energies(self, query: Tensor, memory: Prepared) -> Tensor:
        v = self.score.weight[0]
        v = v * (self.scale * v.square().sum().rsqrt())
        inner = torch.tanh(self.query(query)[:, None] + memory.keys)
        return (inner * v).sum(-1) + self.score.bias


def _units(places: int) -> int:
    """Numbers that noise is made of: an even number, for normal ones come in pairs."""
    return places + places % 2


def _decided(e: Tensor) -> tuple[Tensor, Tensor]:
    """Whether it stops at a place, and whether it goes on."""
    ones, zeros = torch.ones_like(e), torch.zeros_like(e)
    return torch.where(e > 0, ones, zeros), torch.where(e > 0, zeros, ones)


def _arrivals(begin: Tensor, go: Tensor) -> Tensor:
    """q_j = begin_j + go_{j-1} q_{j-1}: how likely it comes to each place, (B, S)."""
    q, passed, width = begin, _moved(go, 1), 1
    while width < q.shape[1]:
        # Here q_j knows of `width` places, and `passed_j` is the product over them.
        q = q + passed * _moved(q, width)
        passed = passed * _moved(passed, width)
        width *= 2
    return q


def _moved(row: Tensor, by: int) -> Tensor:
    """Further along the places, with 0 before."""
    return F.pad(row[:, : row.shape[1] - by], (by, 0))
