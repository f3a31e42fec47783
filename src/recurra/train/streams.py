"""A long text cut into parallel streams, and read window by window.

    tokens   a b c d e f g h i          2 streams of 4, windows of 3:

    stream 0   a b c | d                inputs, whose targets are   b c d | e
    stream 1   e f g | h                                            f g h | i

Source: Merity et al., "Regularizing and Optimizing LSTM Language Models", 2018, arXiv:1708.02182,
section 5 (windows of variable length).
"""

from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from torch import Tensor

from recurra.errors import DataError, OptionError

Numbers: TypeAlias = NDArray[np.int64]

# A window of variable length: its deviation, its least, and how often its mean is the whole.
DEVIATION, LEAST, WHOLE = 5.0, 5, 0.95
# What the mean over all windows is of a whole one.
MEAN = WHOLE + (1 - WHOLE) / 2


@runtime_checkable
class Tokens(Protocol):
    """A text as whole numbers, in memory or not: an array, a memory map."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        """Whole numbers, one dimension."""


class Window(NamedTuple):
    """What a model reads at once, one row a stream.

    Args:
        inputs: (B, T) int64.
        targets: (B, T) int64, the token after each input.
        reset: (B, T) bool, where a document begins; None where none does.
        first: the streams begin here, so nothing is carried into it.
    """

    inputs: Tensor
    targets: Tensor
    reset: Tensor | None
    first: bool


class Streams:
    """Parallel streams of equal length; what is left over at the end is read by none.

    Args:
        tokens: the text.
        rows: streams, B.
        separator: token that ends a document.

    Attributes:
        rows: streams, B.
        length: targets a stream.
        targets: of the text as a whole, those of `rest` included.

    Raises:
        DataError: the text has too few tokens, or is no row of whole numbers.
    """

    def __init__(self, tokens: Tokens, rows: int, separator: int | None) -> None:
        self.rows, self.targets = rows, max(0, len(tokens) - 1)
        self.length = self.targets // rows
        if self.length < 1:
            raise DataError(
                f"streams: {len(tokens)} tokens make no {rows} streams of two tokens or more; "
                "fewer --streams or more text"
            )
        self._tokens, self._separator = tokens, separator
        _check(tokens[:1])
        self._grid = _grid(tokens, rows, self.length) if isinstance(tokens, np.ndarray) else None

    def window(self, begin: int, end: int) -> Window:
        """The inputs from `begin` to before `end` of every stream."""
        # With the token before, by which a document begins.
        before = 1 if begin else 0
        return self._made(self._read(begin - before, end + 1), before)

    def rest(self) -> Window | None:
        """What follows the last stream, as a window of one row; None where nothing does."""
        low = self.rows * self.length
        if low == self.targets:
            return None
        return self._made(np.asarray(self._tokens[low - 1 :]).astype(np.int64)[None], 1)

    def _read(self, low: int, high: int) -> Numbers:
        if self._grid is not None:
            return self._grid[:, low:high].astype(np.int64)
        begins = range(0, self.rows * self.length, self.length)
        return np.stack([self._tokens[b + low : b + high] for b in begins]).astype(np.int64)

    def _made(self, read: Numbers, before: int) -> Window:
        reset = None if self._separator is None else read[:, :-2] == self._separator
        if reset is not None and not before:
            reset = np.pad(reset, ((0, 0), (1, 0)))
        return Window(
            torch.from_numpy(read[:, before:-1]),
            torch.from_numpy(read[:, before + 1 :]),
            torch.from_numpy(reset) if reset is not None and reset.any() else None,
            first=not before,
        )


def _grid(tokens: NDArray[Any], rows: int, length: int) -> NDArray[Any]:
    """All streams at once, without a copy: each with the first token of the next one."""
    (stride,) = tokens.strides
    return as_strided(tokens, (rows, length + 1), (length * stride, stride), writeable=False)


def cuts(length: int, window: int) -> Numbers:
    """Where windows begin and end: 0 … `length`; the last may be shorter."""
    return np.append(np.arange(0, length, window), length)


def variable_cuts(length: int, window: int, random: np.random.Generator) -> Numbers:
    """As `cuts`, by windows of variable length, always as many.

    Lengths are drawn around `window`, or now and then around half of it, and are then stretched or
    shrunk, at most down to the least, until all of them together are `length`.
    """
    number = max(1, round(length / (MEAN * window)))
    around = np.where(random.random(number) < WHOLE, window, window / 2)
    more = np.maximum(0, random.normal(around, DEVIATION) - LEAST).cumsum()
    stretch = (length - LEAST * number) / max(1.0, more[-1])
    ends = LEAST * np.arange(1, number + 1) + np.rint(stretch * more).astype(np.int64)
    return np.concatenate([[0], ends[:-1], [length]])


def check_window(window: int, variable: bool) -> None:
    """Refuse a window that is too short.

    Raises:
        OptionError: naming the option.
    """
    least = 2 * LEAST if variable else 1
    if window < least:
        kind = "a variable one" if variable else "it"
        raise OptionError(f"--window is {window}; {kind} is at least {least}")


def _check(some: Any) -> None:
    found = np.asarray(some)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise DataError(
            f"streams: a slice of the tokens is {found.dtype} of {found.ndim} dimensions; it is "
            "a row of whole numbers"
        )
