"""What is to be said of sequences: labels as texts, values as numbers; groups."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals.sequences import Examples
from recurra.data.table import shown
from recurra.errors import DataError

MOST_CLASSES = 1000


def is_missing(cell: Any) -> bool:
    """Nothing there, NaN, or blanks alone."""
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    return cell is None or str(cell) in ("<NA>", "NaT")


def as_label(cell: Any, where: str, what: str = "label") -> str:
    """A label as text, the same whether it was a text or a number.

    Args:
        cell: what stands there.
        where: what errors call its place.
        what: what errors call it.

    Raises:
        DataError: nothing stands there, or no label.
    """
    if isinstance(cell, np.generic):
        cell = cell.item()
    if is_missing(cell):
        raise DataError(f"{where}: has no {what}; give it one or leave the sequence out")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, str | int | float):
        return str(cell).strip()
    raise DataError(f"{where}: {shown(cell)} is a {type(cell).__name__}, not a {what}")


def as_value(cell: Any, where: str) -> float:
    """A value as a number.

    Raises:
        DataError: it is missing, infinite, or no number.
    """
    try:
        value = math.nan if is_missing(cell) else float(cell)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{where}: {shown(cell)} is no number, and a regression takes one; labels are learned "
            "by classify"
        ) from error
    if not math.isfinite(value):
        said = "has no value" if is_missing(cell) else f"has the value {value}"
        raise DataError(f"{where}: {said}; it takes a finite number")
    return value


def labels_of(cells: Iterable[Any], called: Sequence[str]) -> tuple[str, ...]:
    """A label each."""
    return tuple(as_label(cell, where) for cell, where in zip(cells, called, strict=True))


def values_of(cells: Iterable[Any], called: Sequence[str]) -> NDArray[np.float64]:
    """A value each."""
    found = [as_value(cell, where) for cell, where in zip(cells, called, strict=True)]
    return np.array(found, np.float64)


def check_classes(examples: Examples) -> None:
    """Refuse what no classes can be learned from.

    Raises:
        DataError: there is one class alone, or nearly as many as sequences.
    """
    labels = examples.labels or ()
    classes = set(labels)
    if len(classes) < 2:
        held = f"one class alone, {shown(labels[0])}" if classes else "no label at all"
        raise DataError(f"{examples.name}: {held}; it takes two or more, or another --label")
    unique = len(classes) > 2 and len(classes) == len(labels)
    if len(classes) > MOST_CLASSES or unique:
        raise DataError(
            f"{examples.name}: {len(classes):,} different labels for {len(labels):,} "
            f"{'steps' if examples.per_step else 'sequences'}; it takes at most {MOST_CLASSES:,}, "
            "each several times; numbers are learned by regress"
        )
