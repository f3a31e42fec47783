"""Inputs over uneven time, with missing values, and what cells make of them.

A gap is the time since the step before, in any unit that is kept; it is 0 or more. That of a
sequence's first step is the time since the sequence began. A sequence that is run in reverse keeps
each gap at its step: shift them by one step first where a cell is to see the time that it crosses.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Timed(NamedTuple):
    """`value` (B, T, F) and the `gap` before each step, (B, T) or (B, T, 1)."""

    value: Float[Tensor, "B *T F"]
    gap: Float[Tensor, "B *T"]


class Observed(NamedTuple):
    """As `Timed`, with what was `seen` of the values; the others are not read and may be NaN."""

    value: Float[Tensor, "B *T F"]
    seen: Bool[Tensor, "B *T F"]
    gap: Float[Tensor, "B *T"]


def as_timed(x: Tensor | Timed) -> Timed:
    """One step with a gap (B, 1); 1 where x brings none."""
    if isinstance(x, Tensor):
        return Timed(x, x.new_ones(len(x), 1))
    return x._replace(gap=_column(x.gap))


def as_observed(x: Tensor | Timed | Observed) -> Observed:
    """One step with a gap (B, 1), everything seen where x does not say."""
    if isinstance(x, Observed):
        return x._replace(gap=_column(x.gap))
    value, gap = as_timed(x)
    return Observed(value, torch.ones_like(value, dtype=torch.bool), gap)


def _column(gap: Tensor) -> Tensor:
    return gap[:, None] if gap.ndim == 1 else gap
