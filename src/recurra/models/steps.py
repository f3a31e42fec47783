"""Measured steps as a batch, and what may be made of them before anything is learned."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from recurra.engine import clear, reverse


class Steps(NamedTuple):
    """Rows of measured steps: what fills a place that was not measured is NaN.

    What stands in the padding has no influence. `gaps` are the times since the step before, in any
    unit that is kept; None where steps are even.
    """

    values: Float[Tensor, "B T F"]
    lengths: Int64[Tensor, " B"]
    gaps: Float[Tensor, "B T"] | None = None


def padding(T: int, lengths: Int64[Tensor, " B"]) -> Bool[Tensor, "B T"]:
    """Where no step is."""
    return torch.arange(T, device=lengths.device) >= lengths[:, None]


def cleared(steps: Steps) -> Steps:
    """The same steps with zeros in the padding."""
    dead = padding(steps.values.shape[1], steps.lengths)
    gaps = None if steps.gaps is None else clear(dead, steps.gaps)
    return Steps(clear(dead, steps.values), steps.lengths, gaps)


def gaps_backwards(
    gaps: Float[Tensor, "B T"], lengths: Int64[Tensor, " B"]
) -> Float[Tensor, "B T"]:
    """The time from each step to the one behind it; 0 at a row's last step and past it.

    It is what a cell crosses before that step where it reads from the end.
    """
    later = F.pad(gaps[:, 1:], (0, 1)) if gaps.shape[1] else gaps
    return later.masked_fill(padding(gaps.shape[1], lengths - 1), 0)


def other_strand(steps: Steps, order: Int64[Tensor, " F"]) -> Steps:
    """Each row from its end, its features in another order: the complement of a strand of DNA.

    Args:
        steps: cleared.
        order: for each feature, where it comes from.
    """
    gaps = steps.gaps
    if gaps is not None:
        gaps = reverse(gaps_backwards(gaps, steps.lengths), steps.lengths)
    return Steps(reverse(steps.values[:, :, order], steps.lengths), steps.lengths, gaps)


def fewer(
    x: Float[Tensor, "B T D"], there: Bool[Tensor, "B T D"], by: int
) -> Float[Tensor, "B S D"]:
    """The mean of every `by` steps, over those that are there; 0 where none is."""
    grouped = _grouped(x.masked_fill(~there, 0), by).sum(dim=2)
    return grouped / _grouped(there.to(x.dtype), by).sum(dim=2).clamp(min=1)


def some(there: Bool[Tensor, "B T D"], by: int) -> Bool[Tensor, "B S D"]:
    """Whether any of every `by` steps is there."""
    return _grouped(there, by).any(dim=2)


def shortened(lengths: Int64[Tensor, " B"], by: int) -> Int64[Tensor, " B"]:
    """True groups of `by` steps, of which the last may have fewer."""
    return (lengths + by - 1) // by


def summed(gaps: Float[Tensor, "B T"], by: int) -> Float[Tensor, "B S"]:
    """The time from each group of `by` steps to the next, where gaps in the padding are 0."""
    return _grouped(gaps[..., None], by)[..., 0].sum(dim=2)


def _grouped(x: Tensor, by: int) -> Tensor:
    """(B, S, by, D)."""
    wide = F.pad(x, (0, 0, 0, -x.shape[1] % by))
    return wide.view(len(x), -1, by, x.shape[2])
