"""Sequences given as arrays: a list of (T, F) or (T,), an array (B, T, F), lists of lists."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals.source import Raw, Source
from recurra.errors import DataError

# Sequences of another width that a message names.
MOST_NAMED = 5


def read_arrays(
    x: Any, y: Any = None, groups: Any = None, *, per_step: bool = False, name: str = "the arrays"
) -> Source:
    """Arrays as examples.

    Args:
        x: B sequences.
        y: B labels or values; B lists of one a step, with `per_step`.
        groups: who each sequence comes from.
        per_step: whether every step has an answer.
        name: for messages.

    Raises:
        DataError: there are more answers than sequences, or fewer.
    """
    count = _count(x, name)
    answers = beside(y, count, name, "labels")
    owners = beside(groups, count, name, "groups")
    if per_step:
        _check_steps(answers)
    raws = [Raw(str(row), f"X[{row}]", x[row], answers[row], owners[row]) for row in range(count)]
    return Source(name, raws)


def _count(x: Any, name: str) -> int:
    if isinstance(x, str | bytes | dict | set) or not hasattr(x, "__len__"):
        raise DataError(
            f"{name}: X is a {type(x).__name__}; it takes a list of arrays (T, F) or (T,), or an "
            "array (B, T, F)"
        )
    if not len(x):
        raise DataError(f"{name}: X has no sequences; it takes one or more")
    if not isinstance(x, list | tuple | np.ndarray) or (isinstance(x, np.ndarray) and x.ndim < 1):
        raise DataError(f"{name}: X is a {type(x).__name__}; it takes a list or an array")
    return len(x)


def beside(values: Any, count: int, name: str, what: str) -> Sequence[Any]:
    """As many values as there are sequences; None for each where there are no values.

    Raises:
        DataError: they are more, fewer, or no list.
    """
    if values is None:
        return [None] * count
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise DataError(f"{name}: the {what} are a {type(values).__name__}; it takes a list")
    if len(values) != count:
        raise DataError(
            f"{name}: {count} sequences and {len(values)} {what}; it takes one for each sequence"
        )
    return list(values) if not isinstance(values, np.ndarray) else _plain(values)


def _plain(values: NDArray[Any]) -> list[Any]:
    return list(values) if values.ndim > 1 else values.tolist()


def _check_steps(answers: Sequence[Any]) -> None:
    for row, answer in enumerate(answers):
        if answer is not None and (isinstance(answer, str) or not hasattr(answer, "__len__")):
            raise DataError(
                f"y[{row}] is one {type(answer).__name__}; --per-step takes a list, one a step"
            )


def as_steps(raw: Any, where: str) -> NDArray[np.float32]:
    """One sequence as (T, F) float32; NaN where something is missing.

    Args:
        raw: (T, F), or (T,) for one channel; an array or lists.
        where: what errors call it.

    Raises:
        DataError: it is no such thing, has no steps, or something in it is infinite.
    """
    array = _numeric(raw, where)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(
            f"{where}: has the shape {array.shape}. Reshape your data: it takes (T, F), or (T,)"
        )
    if not array.size:
        none = "steps" if not len(array) else "channels"
        raise DataError(f"{where}: has no {none}; a sequence has one or more")
    with np.errstate(over="ignore"):
        steps = array.astype(np.float32)
    wrong = np.isinf(steps)
    if wrong.any():
        step, channel = np.argwhere(wrong)[0]
        raise DataError(
            f"{where}: step {step}, channel {channel} is {array[step, channel]}, which float32 "
            "cannot hold; NaN means missing"
        )
    return steps


def _numeric(raw: Any, where: str) -> NDArray[Any]:
    try:
        array = np.asarray(raw)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        uneven = "inhomogeneous" in str(error) or "sequence" in str(error)
        said = "its steps have unequal widths" if uneven else "it holds what is no number"
        raise DataError(f"{where}: {said}; it takes (T, F) numbers, NaN for missing") from error
    if array.dtype.kind == "c":
        raise DataError(f"{where}: Complex data not supported; take real and imaginary parts")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: holds {array.dtype}, not numbers; it takes (T, F), or (T,)")
    return array


def check_widths(
    widths: Sequence[int], called: Sequence[str], expected: tuple[str, ...] | None
) -> None:
    """Refuse sequences that differ in their number of channels.

    Args:
        widths: channels of each.
        called: what errors call each.
        expected: channels that a model learned from, where there is one.

    Raises:
        DataError: names those of another width than most, or than the model's.
    """
    usual = Counter(widths).most_common(1)[0][0] if expected is None else len(expected)
    odd = [place for place, width in enumerate(widths) if width != usual]
    if not odd:
        return
    said = ", ".join(f"{called[place]} has {widths[place]}" for place in odd[:MOST_NAMED])
    more = f" and {len(odd) - MOST_NAMED:,} more differ" if len(odd) > MOST_NAMED else ""
    rest = f"the other {len(widths) - len(odd):,} have {usual}"
    if expected is not None:
        rest = f"the model learned from {usual} ({_span(expected)})"
    raise DataError(f"unequal numbers of channels: {said}{more}; {rest}; they have to be the same")


def _span(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{names[0]} … {names[-1]}"
