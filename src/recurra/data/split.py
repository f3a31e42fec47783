"""A sequence of tokens in parts that follow each other: to train on, to validate, to test.

What is held back lies at the end: a model is asked about what comes after all that it has read. A
cut goes to the nearest end of a document or a line, where one is near.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recurra.data.tokens import Ids, Tokens, bounds
from recurra.errors import DataError, OptionError

# A cut moves by this share of the smaller part beside it, and by so many tokens at most.
NEAR, MOST_NEAR = 0.1, 1 << 16


class Part:
    """Some of the tokens in a file, with a length and slices as they have.

    Args:
        whole: the tokens.
        begin: the first of the part.
        end: the one after its last.
    """

    def __init__(self, whole: Tokens, begin: int, end: int) -> None:
        self.whole, self.dtype = whole, whole.dtype
        self._begin, self._count = begin, end - begin

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, where: object) -> Ids:
        """A copy of the ids in a slice, which lies within the part.

        Raises:
            DataError: it does not, or the file is no longer whole.
            UnsupportedError: no slice, or one with a stride.
        """
        begin, end = bounds(where, self._count, str(self.whole.path))
        return self.whole[self._begin + begin : self._begin + end]

    __iter__ = None

    def part(self, begin: int, end: int) -> "Part":
        """A part of the part."""
        return Part(self.whole, self._begin + begin, self._begin + end)

    def __repr__(self) -> str:
        return f"Part({self.whole!r}, {self._begin} … {self._begin + self._count})"


Some: TypeAlias = NDArray[Any] | Part


class Parts(NamedTuple):
    """What was one sequence. An array's parts are views of it."""

    train: Some
    valid: Some
    test: Some


def split_tokens(
    tokens: Some | Tokens,
    valid: float = 0.1,
    test: float = 0.0,
    ends: Sequence[int | None] = (),
) -> Parts:
    """Parts in the order of the text; one with a share of 0 is empty.

    Args:
        tokens: ids, in memory or in a file.
        valid: share of the tokens.
        test: share of the tokens, after those.
        ends: ids that end a document or a line; the first of which one is near decides, so the
            separator comes before the newline; None is passed over.

    Raises:
        DataError: a part would have fewer than two tokens.
        OptionError: the shares leave nothing to train on, or are negative.
    """
    if not (valid >= 0 and test >= 0 and valid + test < 1):
        raise OptionError(
            f"split: shares of {valid:g} to validate and {test:g} to test; they are at least 0, "
            "and less than 1 together"
        )
    count = len(tokens)
    first, second = round(count * (1 - valid - test)), round(count * (1 - test))
    cuts = 0, first, second, count
    second = _moved(tokens, cuts[1:4], ends) if test else count
    first = _moved(tokens, cuts[0:3], ends) if valid else second
    edges = ((0, first), (first, second), (second, count))
    for (begin, end), share, name in zip(
        edges, (1.0, valid, test), ("train on", "validate", "test"), strict=True
    ):
        if share and end - begin < 2:
            raise DataError(
                f"split: {count} tokens leave {end - begin} to {name}; it takes more text"
            )
    return Parts(*(_part(tokens, begin, end) for begin, end in edges))


def _part(tokens: Some | Tokens, begin: int, end: int) -> Some:
    if isinstance(tokens, Part):
        return tokens.part(begin, end)
    return Part(tokens, begin, end) if isinstance(tokens, Tokens) else tokens[begin:end]


def _moved(tokens: Some | Tokens, cuts: tuple[int, int, int], ends: Sequence[int | None]) -> int:
    """The middle one of three cuts, put after an end that is near."""
    before, cut, after = cuts
    near = min(MOST_NEAR, int(NEAR * min(cut - before, after - cut)))
    around = tokens[cut - near : cut + near]
    for end in ends:
        places = np.flatnonzero(around == end) + 1 if end is not None else ()
        if len(places):
            return cut - near + int(min(places, key=lambda place: abs(place - near)))
    return cut
