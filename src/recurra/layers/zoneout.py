"""Zoneout: some units keep their values for a step while the cell trains.

    training:    h_t = m_t * h_{t-1} + (1 - m_t) * h'_t         m_t ~ Bernoulli(rate), every step
    evaluation:  h_t = rate * h_{t-1} + (1 - rate) * h'_t

with h'_t what the cell itself makes of h_{t-1}. Where the cell's output is a part of its state, as
h is in an LSTM, the output is that part after this.

Source: Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations",
2016, arXiv:1606.01305, equations 3 and 4. There each step's mask is drawn at that step; here all of
them follow from numbers that are drawn once a sequence, see `noise.py`.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.over import Step, Whole
from recurra.engine import leaves, refill
from recurra.errors import OptionError
from recurra.layers.around import Around, Move, check_rate, like
from recurra.layers.noise import Phase, Seeds, draw_seeds, first_phase, next_noise


class ZoneoutState(NamedTuple):
    """The cell's, and where the noise stands; it stands still in evaluation."""

    cell: Any
    noise: Phase


class ZoneoutContext(NamedTuple):
    """The cell's, and the numbers of which all masks are made."""

    cell: Any
    noise: Seeds


class Zoneout(Around):
    """Keeps parts of a cell's state as they were, at random.

    Args:
        cell: any cell.
        rate: probability that a number is kept, of all parts of the state, or of each part by name,
            such as {"h": 0.05, "c": 0.5}; other parts are left alone then.

    Raises:
        OptionError: a rate is no probability below 1, or the state has no such part.
    """

    def __init__(self, cell: Cell[Any], rate: float | Mapping[str, float]) -> None:
        super().__init__(cell)
        self.rates = rates_of("Zoneout", cell, rate)
        parts = leaves(cell.initial_state(1))
        zoned = zip(parts, self.rates, strict=True)
        self.units = sum(part.numel() for part, each in zoned if each is not None)

    def initial_state(self, batch_size: int) -> ZoneoutState:
        noise = first_phase(like(self.cell), batch_size, self.units)
        return ZoneoutState(self.cell.initial_state(batch_size), noise)

    def sample_context(self, batch_size: int) -> Context:
        inner = self.cell.sample_context(batch_size)
        if not self.training:
            return inner
        return ZoneoutContext(inner, draw_seeds(like(self.cell), batch_size, self.units))

    def over(
        self, x: Inputs, state: ZoneoutState, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, ZoneoutState]:
        seeds, phase = None, state.noise
        if isinstance(context, ZoneoutContext):
            context, seeds = context
        y, new = move(x, state.cell, context)
        u = None
        if seeds is not None:
            u, phase = next_noise(seeds, phase)
        before, after = leaves(state.cell), leaves(new)
        kept = self._keep(before, after, u)
        y = next((each for each, was in zip(kept, after, strict=True) if was is y), y)
        return y, ZoneoutState(refill(new, kept), phase)

    @property
    def has_parallel(self) -> bool:
        return False

    def _keep(self, before: list[Tensor], after: list[Tensor], u: Tensor | None) -> list[Tensor]:
        kept, at = [], 0
        for old, new, rate in zip(before, after, self.rates, strict=True):
            if rate is None:
                kept.append(new)
            elif u is None:
                kept.append(rate * old + (1 - rate) * new)
            else:
                width = prod(old.shape[1:])
                mine = u[:, at : at + width].view(old.shape)
                kept.append(torch.where(mine < rate, old, new))
                at += width
        return kept


def rates_of(
    where: str, cell: Cell[Any], rate: float | Mapping[str, float]
) -> tuple[float | None, ...]:
    """One for each tensor of the state; None where it is left alone."""
    state = cell.initial_state(1)
    if not isinstance(rate, Mapping):
        check_rate(where, "rate", rate)
        if not leaves(state):
            raise OptionError(f"{where}: the state of {type(cell).__name__} is empty")
        return (rate,) * len(leaves(state))
    fields = getattr(state, "_fields", ())
    for name, each in rate.items():
        check_rate(where, f"rate of {name}", each)
        if name not in fields:
            raise OptionError(f"{where}: the state has no {name}, it has {', '.join(fields)}")
    if not rate:
        raise OptionError(f"{where}: rate is empty, a number or a part of the state fits")
    return tuple(
        rate.get(name) for name, part in zip(fields, state, strict=True) for _ in leaves(part)
    )
