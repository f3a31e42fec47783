"""The answer of the most similar training sequence, time warped.

A sequence of more than `MOST_STEPS` is compared by that many means of neighbouring steps.

Source of these: Keogh and Pazzani, "Scaling up Dynamic Time Warping for Datamining Applications",
2000.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Examples, Sequences
from recurra.tasks.signals.summaries import Standard, dense
from recurra.tasks.signals.warping import warped

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
BAND, MOST_STEPS = 0.1, 100
# Cells of costs that are held at once, and examples below which nothing is worth comparing with.
AT_ONCE, FEWEST = 1 << 19, 16


@dataclass(frozen=True)
class Nearest:
    """One nearest neighbour by dynamic time warping over all channels together.

    Args:
        standard: of the channels.
        sequences: those that are compared with.
        values: (R, K) what each of them answers: its class as 1 among 0, or its value.
        classes: whether they are classes.
    """

    name: ClassVar[str] = "nearest neighbour, time warped"
    standard: Standard
    sequences: Sequences
    values: Floats
    classes: bool

    def answer(self, sequences: Sequences) -> Floats:
        """Probabilities, (B, K), of 0 and 1; or values, (B,)."""
        others, lengths = _padded(_compared(self.standard, self.sequences))
        queries = _compared(self.standard, sequences)
        near = [_nearest(query, others, lengths) for query in queries]
        found: Floats = self.values[np.array(near, np.int64)]
        return found if self.classes else found[:, 0]


def fit_nearest(
    training: Examples, values: Floats, classes: bool, asked: int, cells: float, seed: int
) -> tuple[Nearest | None, str]:
    """What can be compared with `cells` updates, and a line about it where it is not all.

    Args:
        training: what is compared with.
        values: (R, K) of each of them.
        classes: whether they are classes; those stay in their shares.
        asked: sequences that will be answered.
        cells: updates that all of them together may take.
        seed: of what is drawn.
    """
    lengths = np.minimum(training.sequences.lengths, MOST_STEPS)
    # An answered sequence is taken to be as long as those of the training part.
    each = lengths.mean() * lengths.mean() * asked
    most = int(cells / max(each, 1.0))
    standard = Standard.fit(dense(training.sequences))
    if most >= len(training):
        return Nearest(standard, training.sequences, values, classes), ""
    if most < max(FEWEST, values.shape[1]):
        return None, "no time-warped neighbours: the sequences are too long, or too many are asked"
    rows = _drawn(values if classes else values[:, :0], most, seed)
    said = f"time-warped neighbours among {most:,} of {len(training):,} sequences, drawn"
    return Nearest(standard, training.sequences.take(rows), values[rows], classes), said


def _drawn(values: Floats, most: int, seed: int) -> Indices:
    """Rows of every class, each in its share as nearly as whole rows allow."""
    order = np.random.default_rng(seed).permutation(len(values))
    if not values.shape[1]:
        return np.sort(order[:most])
    label = values[order].argmax(axis=1)
    # The place of each row within its class, as a share of the class: the first of all come first.
    place = np.zeros(len(order))
    for one in np.unique(label):
        own = label == one
        place[own] = np.arange(own.sum()) / own.sum()
    return np.sort(order[np.argsort(place, kind="stable")[:most]])


def _compared(standard: Standard, sequences: Sequences) -> list[Floats]:
    """The steps by which each sequence is compared, (T, C)."""
    parts = np.split(standard.of(dense(sequences)), sequences.offsets[1:-1])
    return [shortened(part) for part in parts[: len(sequences)]]


def shortened(steps: Floats) -> Floats:
    """At most `MOST_STEPS`, each the mean of as many neighbours as the others or one more."""
    if len(steps) <= MOST_STEPS:
        return steps
    edges = np.arange(MOST_STEPS + 1) * len(steps) // MOST_STEPS
    found: Floats = np.add.reduceat(steps, edges[:-1]) / np.diff(edges)[:, None]
    return found


def _padded(parts: list[Floats]) -> tuple[Floats, Indices]:
    """Sequences beside each other, (R, m, C), padded with 0, and their lengths; m is at least 2."""
    lengths = np.array([len(part) for part in parts], np.int64)
    padded = np.zeros((len(parts), max(2, int(lengths.max())), parts[0].shape[1]))
    for row, part in enumerate(parts):
        padded[row, : len(part)] = part
    return padded, lengths


def _nearest(query: Floats, others: Floats, lengths: Indices) -> int:
    """The number of the nearest; the first of those that are equally near."""
    ends = others[np.arange(len(others)), lengths - 1]
    first = ((query[0] - others[:, 0]) ** 2).sum(axis=1)
    last = ((query[-1] - ends) ** 2).sum(axis=1)
    # Every path has both ends in it; where both are one step it counts once.
    bound = np.where((len(query) == 1) & (lengths == 1), first, first + last)
    order = np.argsort(bound, kind="stable")
    best, found = np.inf, int(order[0])
    size = max(8, AT_ONCE // (len(query) * others.shape[1]))
    for low in range(0, len(order), size):
        rows = order[low : low + size]
        rows = rows[bound[rows] < best]
        if not len(rows):
            break
        longest = max(2, int(lengths[rows].max()))
        far = warped(query, others[rows, :longest], lengths[rows], BAND, best)
        place = int(far.argmin())
        if far[place] < best:
            best, found = float(far[place]), int(rows[place])
    return found
