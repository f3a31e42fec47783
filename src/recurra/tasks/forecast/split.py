"""What `fit` decides from the lengths alone: what to hold out, how far to look back."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

HELD_OUT = 0.15
MOST_SEGMENTS = 24
# Two years of hours would be 17,520 steps: too many to learn a map from.
MOST_CONTEXT = 1024
# Behind a season, the next longer cycle of the same clock: two of it are worth seeing.
LONGER_CYCLE = {24: 168}


@dataclass(frozen=True)
class Split:
    """Three parts of time, as grid indices: learn before `valid`, test from `test` to `end`."""

    valid: int
    test: int
    end: int


def choose_split(starts: Indices, lengths: Indices, horizon: int) -> Split:
    """Hold out the last two stretches of time, each 15 % of a short series or one horizon.

    Args:
        starts: (S,) grid index of each series' first step.
        lengths: (S,) steps of each series.
        horizon: steps predicted.
    """
    end = int((starts + lengths).max())
    held = max(horizon, round(HELD_OUT * float(np.quantile(lengths, 0.1))))
    return Split(end - 2 * held, end - held, end)


def least_context(horizon: int) -> int:
    """Fewest steps to look back that are worth it."""
    return min(4, horizon) + 1


def before(starts: Indices, lengths: Indices, valid: int) -> Indices:
    """Steps of each series before the validation part, (S,); 0 or less where it has none."""
    steps: Indices = np.minimum(starts + lengths, valid) - starts
    return steps


def long_enough(training: Indices, horizon: int, context: int | None) -> Flags:
    """Which series can be learned from, (S,).

    Args:
        training: (S,) steps of each before the validation part.
        horizon: steps predicted.
        context: steps looked back, where the user said so.
    """
    return training >= (context or least_context(horizon)) + horizon


def too_short(
    names: tuple[str, ...],
    training: Indices,
    enough: Flags,
    horizon: int,
    context: int | None,
    fits: int,
) -> DataError:
    """The error for series that cannot be learned from.

    Args:
        names: (S,)
        training: (S,) steps of each before the validation part.
        enough: from `long_enough`.
        horizon: steps predicted.
        context: steps looked back, where the user said so.
        fits: from `longest_horizon`.
    """
    first = int(np.argmin(enough))
    back = context or least_context(horizon)
    shorter = "a shorter --context may" if context else "no shorter --horizon does"
    mends = [f"--horizon {fits} fits" if fits else shorter]
    if enough.any():
        mends.append(f"--skip-short leaves out {int((~enough).sum())} of {len(names)} series")
    return DataError(
        f'series "{names[first]}" has {max(0, int(training[first]))} steps before what is held out '
        f"to validate and test; horizon {horizon} with context {back} needs {back + horizon}: "
        + ", or ".join(mends)
    )


def longest_horizon(
    starts: Indices, lengths: Indices, context: int | None, valid: int | None
) -> int:
    """The longest horizon at which every series can be learned from; 0 when there is none.

    Args:
        starts: (S,) grid index of each series' first step.
        lengths: (S,) steps of each series.
        context: steps looked back, where the user said so.
        valid: grid index of the validation part, where the user said so.
    """

    def fails(horizon: int) -> bool:
        cut = choose_split(starts, lengths, horizon).valid if valid is None else valid
        return not long_enough(before(starts, lengths, cut), horizon, context).all()

    return bisect_left(range(1, int(lengths.max()) + 1), True, key=fails)


def choose_context(training: int, horizon: int, season: int | None) -> int:
    """Steps to look back: two seasons or horizons, two longer cycles where data abounds.

    No more than 1,024 steps or one horizon, and no more than two thirds of the training part.

    Args:
        training: steps of the shortest training part.
        horizon: steps predicted.
        season: steps in a season, or None.
    """
    wanted = max(2 * (season or 1), 2 * horizon)
    longer = 2 * LONGER_CYCLE.get(season or 0, 0)
    if training >= 20 * longer:
        wanted = max(wanted, longer)
    room = training - horizon
    return max(least_context(horizon), min(wanted, max(MOST_CONTEXT, horizon), room * 2 // 3))


def choose_segment(context: int, horizon: int, fixed: bool) -> tuple[int, int]:
    """Context and segment, the one a multiple of the other.

    Args:
        context: steps to look back.
        horizon: steps predicted.
        fixed: the user chose the context; otherwise it is cut down to whole segments.
    """
    wanted = min(context, max(-(-horizon // 4), -(-context // MOST_SEGMENTS)))
    if not fixed:
        return context // wanted * wanted, wanted
    divisors = [width for width in range(1, context + 1) if context % width == 0]
    return context, min(divisors, key=lambda width: abs(np.log(width / wanted)))
