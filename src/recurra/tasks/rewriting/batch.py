"""Pairs as tokens one behind the other, and batches of them as tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from recurra.models.source import Source, Target
from recurra.tasks.rewriting.sides import Sides

Indices = NDArray[np.int64]
# What stands in a target behind its end.
NOTHING = -1


@dataclass(frozen=True)
class Ragged:
    """Rows of tokens, one behind the other.

    Args:
        flat: (N,) all tokens.
        offsets: (R + 1,) where each row begins, and the end.
    """

    flat: Indices
    offsets: Indices

    @classmethod
    def of(cls, rows: Sequence[Indices]) -> "Ragged":
        """Rows one behind the other."""
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(np.concatenate([np.empty(0, np.int64), *rows]), offsets)

    @property
    def lengths(self) -> Indices:
        """(R,) tokens of each row."""
        return np.diff(self.offsets)

    def padded(self, rows: Indices, fill: int) -> Int[Tensor, "B T"]:
        """Some rows side by side, `fill` behind each."""
        lengths = self.lengths[rows]
        t = np.arange(int(lengths.max(initial=0)))
        true = t < lengths[:, None]
        made = np.full(true.shape, fill, np.int64)
        made[true] = self.flat[(self.offsets[rows][:, None] + t)[true]]
        return torch.from_numpy(made)


@dataclass(frozen=True)
class Coded:
    """Sources, and where they are known what they become, as tokens.

    Args:
        sources: of what is read.
        copied: of the same, as tokens of the target; None for a network that does not copy.
        targets: of what is to be said, the end too; None where nothing is known.
        strange: of each source, the characters that its vocabulary does not have.
    """

    sources: Ragged
    copied: Ragged | None
    targets: Ragged | None
    strange: tuple[str, ...]

    @property
    def lengths(self) -> Indices:
        """(R,) tokens of both sides together."""
        return self.sources.lengths + (0 if self.targets is None else self.targets.lengths)

    def source(self, rows: Indices) -> Source:
        """A batch to be read."""
        return Source(
            self.sources.padded(rows, 0),
            torch.from_numpy(self.sources.lengths[rows]),
            None if self.copied is None else self.copied.padded(rows, 0),
        )

    def target(self, rows: Indices) -> Target:
        """What is to be said of the same rows.

        Raises:
            ValueError: it is not known.
        """
        if self.targets is None:
            raise ValueError("these sources have no targets")
        return Target(
            self.targets.padded(rows, NOTHING), torch.from_numpy(self.targets.lengths[rows])
        )


def code(sides: Sides, sources: Sequence[str], targets: Sequence[str] | None = None) -> Coded:
    """Texts as tokens.

    Args:
        sides: the vocabularies.
        sources: to be read.
        targets: one for each.

    Raises:
        DataError, MissingPackageError: as `Sides.read`.
    """
    read = [sides.read(text) for text in sources]
    said = None
    if targets is not None:
        said = [sides.answer(text, of.strange) for text, of in zip(targets, read, strict=True)]
    return Coded(
        Ragged.of([each.ids for each in read]),
        Ragged.of([each.copied for each in read]) if sides.copies else None,
        None if said is None else Ragged.of(said),
        tuple(each.strange for each in read),
    )


def by_length(lengths: Indices, most_rows: int, most_tokens: int) -> Iterator[Indices]:
    """The numbers of rows, neighbours in length together, the longest first.

    Args:
        lengths: tokens of each row.
        most_rows: in a batch.
        most_tokens: in a batch, padding included; a row alone may have more.
    """
    order = np.argsort(lengths, kind="stable")[::-1]
    begin = 0
    while begin < len(order):
        longest = max(1, int(lengths[order[begin]]))
        count = min(most_rows, max(1, most_tokens // longest))
        yield order[begin : begin + count]
        begin += count
