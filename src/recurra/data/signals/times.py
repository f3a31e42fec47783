"""From the times of steps to the gaps between them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Gaps that differ by less, as a share of the usual one, are even.
TOLERANCE = 1e-3
SECONDS = (("day", 86_400.0), ("hour", 3600.0), ("minute", 60.0), ("second", 1.0))


def gaps_of(times: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Time since the step before, for all steps of all sequences; 0 at a first step.

    Args:
        times: of the steps of each sequence, in order.
    """
    parts = [np.diff(one, prepend=one[:1]) for one in times]
    return np.concatenate([*parts, np.zeros(0)])


def unit_of(gaps: NDArray[np.float64], offsets: NDArray[np.int64]) -> float | None:
    """The usual gap, their median; None where all are the same, or there are none."""
    inner = np.delete(gaps, offsets[:-1])
    if not len(inner):
        return None
    usual = float(np.median(inner))
    if np.abs(inner - usual).max() <= TOLERANCE * usual:
        return None
    return usual


def in_words(gap: float, unit: str) -> str:
    """A length of time for people.

    Args:
        gap: how long; seconds where `unit` says so.
        unit: of a gap; empty for numbers that have none.
    """
    if unit != "seconds":
        return f"{gap:.4g}" + (f" {unit}" if unit else "")
    word, size = next((one for one in SECONDS if gap >= one[1]), SECONDS[-1])
    count = gap / size
    return f"{count:.4g} {word}{'' if count == 1 else 's'}"
