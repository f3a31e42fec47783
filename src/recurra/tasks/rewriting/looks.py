"""Where an answer looked: a share of each word that was read, for each word that was said."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.floating]
# Stands for the end of an answer.
END = "∎"


class Looks(NamedTuple):
    """One source and one answer.

    Args:
        source: (S,) its words, or its characters.
        target: (T,) those of the answer, and `END`.
        shares: (T, S) of each word of the source in each word of the answer.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    shares: Shares


def by_words(source: Sequence[str], target: Sequence[str], shares: Shares) -> Looks:
    """Pieces joined to words: shares of source pieces are summed, those of target pieces averaged.

    A piece that begins with a blank begins a word, and so does the first.

    Args:
        source: (S,) its pieces.
        target: (T,) those of the answer.
        shares: (T, S) of the pieces.
    """
    read, said = _begins(source), np.array(_begins(target), np.intp)
    summed = np.add.reduceat(shares, read, axis=1)
    counts = np.diff([*said, len(target)])[:, None]
    joined = np.add.reduceat(summed, said, axis=0) / counts
    return Looks(_words(source, read), _words(target, said.tolist()), joined)


def _begins(pieces: Sequence[str]) -> list[int]:
    """Where words begin."""
    return [place for place, piece in enumerate(pieces) if place == 0 or piece.startswith(" ")]


def _words(pieces: Sequence[str], begins: Sequence[int]) -> tuple[str, ...]:
    ends = [*begins[1:], len(pieces)]
    return tuple("".join(pieces[a:b]).strip() for a, b in zip(begins, ends, strict=True))
