"""Columns of texts as numbers of categories."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurra.data.numbers import mostly_numbers
from recurra.data.signals.answers import as_label, is_missing
from recurra.data.stamps import guess, holds_dates
from recurra.data.table import Table, shown
from recurra.errors import DataError

MOST_CATEGORIES = 1000


def holds_categories(table: Table, name: str) -> bool:
    """Whether a column is of texts, none of them a number.

    Raises:
        DataError: it holds dates, which are neither.
    """
    column = table.frame[name]
    if column.dtype.kind in "iufb" or mostly_numbers(column, table.na):
        return False
    if not column.notna().any():
        return False
    if holds_dates(column) or guess(column):
        raise DataError(
            f'{table.name}: column "{name}" holds dates, which are no channel; --time {name} takes '
            "them as times, --features names the channels"
        )
    return True


def read_categories(
    table: Table, name: str, known: tuple[str, ...] | None
) -> tuple[NDArray[np.float32], tuple[str, ...], list[str]]:
    """The number of each row's category, NaN where there is none; their names; what to say.

    Args:
        table: where from.
        name: of the column.
        known: categories of a model: others are missing.

    Raises:
        DataError: there are too many.
    """
    texts = _texts(table, name)
    codes, unique = pd.factorize(np.array(texts, dtype=object), sort=known is None)
    found = tuple(str(text) for text in unique)
    names = found if known is None else known
    if len(names) > MOST_CATEGORIES:
        raise DataError(
            f'{table.name}: column "{name}" holds {len(names):,} different texts, such as '
            f"{shown(names[0])}; {MOST_CATEGORIES:,} categories fit; --features names the channels"
        )
    place = {category: float(number) for number, category in enumerate(names)}
    numbers = np.array([*(place.get(text, np.nan) for text in found), np.nan], np.float32)
    strange = [text for text in found if text not in place]
    facts = []
    if strange:
        count = int(np.isin(codes, [found.index(text) for text in strange]).sum())
        facts.append(
            f'"{name}": {count:,} values the model does not know, {shown(strange[0])} the first: '
            "taken as missing"
        )
    return numbers[codes], names, facts


def _texts(table: Table, name: str) -> list[Any]:
    cells = table.frame[name].astype("object").tolist()
    return [
        None if is_missing(cell) or cell in table.na else as_label(cell, table.name)
        for cell in cells
    ]
