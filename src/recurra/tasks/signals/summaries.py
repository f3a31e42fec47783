"""Sequences and steps as rows of numbers that a linear map can read.

Categories become a 0 or 1 for each. Channels beyond `MOST_CHANNELS` are averaged with their
neighbours. What is missing is NaN until `Standard` puts the training mean there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Sequences

Floats = NDArray[np.float64]
MOST_CHANNELS = 256
# How many deviations from the mean a value may stand for.
FARTHEST = 10.0


@dataclass(frozen=True)
class Standard:
    """Columns with mean 0 and deviation 1 where it was learned.

    Args:
        mean: of each column, of its observed values.
        scale: their deviation; 1 where it is 0.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, rows: Floats) -> "Standard":
        """From observed values alone."""
        there = np.isfinite(rows)
        count = np.maximum(1, there.sum(axis=0))
        mean = np.where(there, rows, 0).sum(axis=0) / count
        variance = (np.where(there, rows - mean, 0) ** 2).sum(axis=0) / count
        # Rounding leaves a deviation in a column of equal values.
        small = variance <= 1e-18 * np.maximum(1, mean**2)
        return cls(mean, np.where(small, 1.0, np.sqrt(variance)))

    def of(self, rows: Floats) -> Floats:
        """Standardised rows; 0 where something is missing."""
        with np.errstate(invalid="ignore"):
            found = np.clip((rows - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return np.where(np.isfinite(found), found, 0.0)


def dense(sequences: Sequences) -> Floats:
    """The values of all steps, (N, C): categories as 0 and 1, too many channels averaged."""
    values = sequences.values.astype(np.float64)
    columns = []
    for channel in range(values.shape[1]):
        column = values[:, channel]
        names = sequences.categories.get(channel)
        columns.append(column[:, None] if names is None else _one_hot(column, len(names)))
    wide = np.concatenate([*columns, np.zeros((len(values), 0))], axis=1)
    if wide.shape[1] <= MOST_CHANNELS:
        return wide
    parts = np.array_split(np.arange(wide.shape[1]), MOST_CHANNELS)
    return np.stack([wide[:, part].mean(axis=1) for part in parts], axis=1)


def of_sequences(sequences: Sequences) -> Floats:
    """What sums up each sequence, (B, 7 C + 1).

    Of each channel mean, deviation, least, most, first, last and slope over its observed steps;
    and the logarithm of the length.
    """
    x, starts = dense(sequences), sequences.offsets[:-1]
    there = np.isfinite(x)
    held = np.where(there, x, 0)
    t = (np.arange(len(x)) - np.repeat(starts, sequences.lengths))[:, None] * there

    def total(rows: NDArray[np.generic]) -> Floats:
        return np.add.reduceat(rows.astype(np.float64), starts, axis=0)

    n = total(there)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, middle = total(held) / n, total(t) / n
        off = np.where(there, x - np.repeat(mean, sequences.lengths, axis=0), 0)
        late = np.where(there, t - np.repeat(middle, sequences.lengths, axis=0), 0)
        deviation = np.sqrt(total(off**2) / n)
        slope = total(off * late) / np.maximum(total(late**2), 1e-12)
    place = np.arange(len(x))[:, None]
    first = np.minimum.reduceat(np.where(there, place, len(x)), starts, axis=0)
    last = np.maximum.reduceat(np.where(there, place, -1), starts, axis=0)
    columns = np.arange(x.shape[1])
    parts = [
        *(mean, deviation),
        *(np.fmin.reduceat(x, starts, axis=0), np.fmax.reduceat(x, starts, axis=0)),
        *(x[np.minimum(first, len(x) - 1), columns], x[np.maximum(last, 0), columns]),
        slope,
    ]
    # A channel without an observed step has nothing to be summed up.
    parts = [np.where(n > 0, part, np.nan) for part in parts]
    return np.concatenate([*parts, np.log(sequences.lengths)[:, None]], axis=1)


def of_steps(sequences: Sequences) -> Floats:
    """What is known at each step, (N, 5 C + 1), from it and the steps before.

    Of each channel the value, the one before, and mean, least and most so far; and the logarithm
    of the number of steps so far.
    """
    x = dense(sequences)
    found = [_so_far(part) for part in np.split(x, sequences.offsets[1:-1])]
    return np.concatenate(found)


def _so_far(x: Floats) -> Floats:
    there = np.isfinite(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, x, 0).cumsum(axis=0) / there.cumsum(axis=0)
    before = np.concatenate([x[:1], x[:-1]])
    least, most = np.fmin.accumulate(x, axis=0), np.fmax.accumulate(x, axis=0)
    count = np.log(1 + np.arange(len(x)))[:, None]
    return np.concatenate([x, before, mean, least, most, count], axis=1)


def _one_hot(column: Floats, count: int) -> Floats:
    rows: Floats = (column[:, None] == np.arange(count)).astype(np.float64)
    rows[np.isnan(column)] = np.nan
    return rows
