"""Sequences of numbers of any lengths, and what is to be said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """B sequences, one behind the other: N steps of F channels in all.

    Args:
        values: what was measured; NaN where something is missing. A channel of categories holds
            the number of one.
        offsets: where each sequence begins in `values`, and the end of the last.
        channels: names of the F channels.
        names: what each sequence is called, such as its id or its file.
        gaps: time since the step before, 0 at a first step; None where steps are even.
        categories: of a channel, by its number, the names that its numbers stand for.
        image: of a step that is an image its channels, height and width; F is their product.
        unit: what a gap of 1 stands for, in seconds where times were dates, else in theirs.
    """

    values: Float32[np.ndarray, "N F"]
    offsets: Int64[np.ndarray, " B_1"]
    channels: tuple[str, ...]
    names: tuple[str, ...]
    gaps: Float32[np.ndarray, " N"] | None = None
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    image: tuple[int, int, int] | None = None
    unit: float = 1.0

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> Indices:
        """Steps of each sequence, (B,)."""
        return np.diff(self.offsets)

    def row(self, number: int) -> NDArray[np.float32]:
        """The steps of one sequence, (T, F)."""
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def gaps_of(self, number: int) -> NDArray[np.float32] | None:
        """The gaps of one sequence, (T,), where steps are uneven."""
        if self.gaps is None:
            return None
        return self.gaps[self.offsets[number] : self.offsets[number + 1]]

    def places(self, rows: Sequence[int] | Indices) -> Indices:
        """Where the steps of some sequences lie in `values`, in their order."""
        parts = [np.arange(self.offsets[row], self.offsets[row + 1]) for row in rows]
        return np.concatenate([*parts, np.zeros(0, np.int64)]).astype(np.int64)

    def take(self, rows: Sequence[int] | Indices) -> "Sequences":
        """Some of the sequences, in the order asked for."""
        places = self.places(rows)
        lengths = self.lengths[np.asarray(rows, np.int64)]
        return replace(
            self,
            values=self.values[places],
            offsets=np.cumsum([0, *lengths], dtype=np.int64),
            names=tuple(self.names[row] for row in rows),
            gaps=None if self.gaps is None else self.gaps[places],
        )


@dataclass(frozen=True)
class Examples:
    """Sequences and what is known of them.

    Args:
        sequences: the B sequences.
        labels: the class of each of them; of each step, (N,), where `per_step` is set.
        targets: the value of each of them, (B,), or of each step, (N,).
        per_step: whether it is each step that has a label or a target.
        groups: who each sequence comes from, (B,): no group is split between two parts.
        name: where they came from, for messages.
        facts: what was found while reading, a line each.
    """

    sequences: Sequences
    labels: tuple[str, ...] | None = None
    targets: Float64[np.ndarray, " M"] | None = None
    per_step: bool = False
    groups: tuple[str, ...] | None = None
    name: str = "the arrays"
    facts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sequences)

    def take(self, rows: Sequence[int] | Indices) -> "Examples":
        """Some of them, in the order asked for."""
        own = self.sequences.places(rows) if self.per_step else np.asarray(rows, np.int64)
        labels, targets, groups = self.labels, self.targets, self.groups
        return replace(
            self,
            sequences=self.sequences.take(rows),
            labels=None if labels is None else tuple(labels[place] for place in own),
            targets=None if targets is None else targets[own],
            groups=None if groups is None else tuple(groups[row] for row in rows),
        )


def joined(parts: Sequence[Examples]) -> Examples:
    """The examples of several parts one behind the other; facts are those of the first.

    All parts have the channels, categories and kind of answers of the first.
    """
    first = parts[0]
    own = [part.sequences for part in parts]
    lengths = np.concatenate([one.lengths for one in own])
    gaps = [one.gaps for one in own if one.gaps is not None]
    sequences = replace(
        first.sequences,
        values=np.concatenate([one.values for one in own]),
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        names=tuple(name for one in own for name in one.names),
        gaps=np.concatenate(gaps) if len(gaps) == len(own) else None,
    )
    labels = [part.labels for part in parts if part.labels is not None]
    targets = [part.targets for part in parts if part.targets is not None]
    groups = [part.groups for part in parts if part.groups is not None]
    return replace(
        first,
        sequences=sequences,
        labels=sum(labels, ()) if len(labels) == len(parts) else None,
        targets=np.concatenate(targets) if len(targets) == len(parts) else None,
        groups=sum(groups, ()) if len(groups) == len(parts) else None,
    )
