"""Sequences in a table: a row a step (a long frame), or a row a sequence with its letters.

id, time, features …, label       rows in any order; labels repeated, or apart by id
sequence, label                   letters of a sequence in one cell
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurra.data.numbers import is_number, mostly_numbers, read_numbers
from recurra.data.signals.answers import as_label, is_missing
from recurra.data.signals.apart import ID_NAMES, check_named, named_like
from recurra.data.signals.categories import holds_categories, read_categories
from recurra.data.signals.columns import Columns, Found, find_columns, find_label, label_missing
from recurra.data.signals.header import Header
from recurra.data.signals.source import Raw, Source
from recurra.data.stamps import guess, holds_dates, parse_stamps
from recurra.data.table import Table, listed, shown
from recurra.errors import DataError

Array = NDArray[Any]
LETTERS = re.compile(r"[ACGTNacgtn]{4,}")
LETTER_NAMES = ("sequence", "seq", "dna", "letters", "bases")
# Cells that are looked at to tell letters from words.
SEEN = 100


def read_long(
    table: Table, wish: Columns, known: Header | None = None, *, single: bool = False
) -> Source:
    """The sequences of a table with a row a step.

    Args:
        table: a header, and rows in any order.
        wish: what the user says about its columns.
        known: of a model whose channels and categories these are to be.
        single: without a column of names the whole table is one sequence.

    Raises:
        DataError: a column does not fit; two steps of a sequence have one time; the labels of a
            sequence differ.
        OptionError: a column that was named is not there.
    """
    found = find_columns(table, wish, known, single)
    if wish.answered and found.label is None:
        raise label_missing(table, found.features)
    codes, ids = _ids(table, found)
    times, unit = _times(table, found.time)
    order = np.lexsort((times, codes)) if times is not None else np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(len(ids) + 1))
    if times is not None:
        _check_times(table, found, codes, times, order, ids)
    values, categories, facts = _values(table, found.features, known)
    answers = _answers(table, found, wish.per_step, codes, ids, order, edges)
    groups = _constant(table, found.group, codes, ids) if found.group else [None] * len(ids)
    raws = [
        Raw(
            name,
            f'{table.name}: "{name}"' if found.id else table.name,
            values[order[begin:end]],
            answers[row],
            groups[row],
            None if times is None else times[order[begin:end]],
            found.features,
        )
        for row, (name, begin, end) in enumerate(zip(ids, edges[:-1], edges[1:], strict=True))
    ]
    first = _columns_told(found)
    return Source(table.name, raws, None, categories, unit, (*first, *facts))


def _columns_told(found: Found) -> tuple[str, ...]:
    roles = {"id": found.id, "time": found.time, "label": found.label, "group": found.group}
    said = ", ".join(f'{role} from "{name}"' for role, name in roles.items() if name is not None)
    unused = (f"not used: {listed(found.unused)}",) if found.unused else ()
    return ((f"columns: {said}",) if said else ()) + unused


def _ids(table: Table, found: Found) -> tuple[NDArray[np.int64], list[str]]:
    """Which sequence each row belongs to, and their names in the order of the rows."""
    if found.id is None:
        return np.zeros(len(table.frame), np.int64), [table.name.split(".")[0]]
    column = table.frame[found.id]
    codes, unique = pd.factorize(column)
    if (codes < 0).any():
        row = table.row(int(np.argmax(codes < 0)))
        raise DataError(f'{table.name}: column "{found.id}", row {row}: the sequence has no name')
    return codes.astype(np.int64), [as_label(name, table.name, "name") for name in unique]


def _times(table: Table, name: str | None) -> tuple[NDArray[np.float64] | None, str]:
    """The time of every row, and its unit."""
    if name is None:
        return None, ""
    column = table.frame[name]
    if is_number(column) or mostly_numbers(column, table.na):
        times, unit = read_numbers(table, name), ""
        wrong = np.isnan(times)
    else:
        how = "dates" if holds_dates(column) else guess(column)
        stamps = parse_stamps(column, how) if how else np.full(len(column), "NaT", "M8[us]")
        wrong, unit = np.isnat(stamps), "seconds"
        times = stamps.astype(np.int64) / 1e6
    if wrong.any():
        row = int(np.argmax(wrong))
        cell = column.iloc[row]
        said = "the time is missing" if is_missing(cell) else f"{shown(cell)} is no time"
        raise DataError(
            f'{table.name}: column "{name}", row {table.row(row)}: {said}; it takes numbers or '
            "dates; --time COLUMN names another"
        )
    return times, unit


def _check_times(
    table: Table,
    found: Found,
    codes: NDArray[np.int64],
    times: NDArray[np.float64],
    order: NDArray[np.int64],
    ids: Sequence[str],
) -> None:
    same = (np.diff(codes[order]) == 0) & (np.diff(times[order]) == 0)
    if not same.any():
        return
    place = int(np.argmax(same))
    one, other = int(order[place]), int(order[place + 1])
    cell = shown(table.frame[found.time].iloc[one])
    rows = f"rows {table.row(one)} and {table.row(other)}"
    raise DataError(
        f'{table.name}: "{ids[codes[one]]}" has the time {cell} twice, {rows}, and '
        f"{int(same.sum()) - 1:,} more; a step has a time of its own; --time COLUMN names another"
    )


def _values(
    table: Table, names: Sequence[str], known: Header | None
) -> tuple[NDArray[np.float32], dict[int, tuple[str, ...]], list[str]]:
    """All rows (N, F), categories by channel, and what there is to say."""
    columns, categories, facts = [], {}, []
    for channel, name in enumerate(names):
        expected = None if known is None else known.categories.get(channel)
        texts = expected is not None if known is not None else holds_categories(table, name)
        if not texts:
            values = read_numbers(table, name)
            _check_size(table, name, values)
            columns.append(values.astype(np.float32))
            continue
        codes, categories[channel], more = read_categories(table, name, expected)
        columns.append(codes)
        facts += more
    return np.stack(columns, axis=1), categories, facts


def _check_size(table: Table, name: str, values: NDArray[np.float64]) -> None:
    large = np.abs(values) > np.finfo(np.float32).max
    if large.any():
        row = int(np.argmax(large))
        raise DataError(
            f'{table.name}: column "{name}", row {table.row(row)}: {values[row]} is too large for '
            "float32"
        )


def _answers(
    table: Table,
    found: Found,
    per_step: bool,
    codes: NDArray[np.int64],
    ids: Sequence[str],
    order: NDArray[np.int64],
    edges: NDArray[np.int64],
) -> Sequence[Any]:
    if found.label is None:
        return [None] * len(ids)
    if not per_step:
        return _constant(table, found.label, codes, ids)
    cells = table.frame[found.label].astype("object").to_numpy()[order]
    return [cells[begin:end].tolist() for begin, end in pairwise(edges)]


def _constant(
    table: Table, name: str, codes: NDArray[np.int64], ids: Sequence[str]
) -> Sequence[Any]:
    """The one value that a column has within each sequence; None where it has none."""
    values, unique = pd.factorize(table.frame[name])
    first = np.full(len(ids), -1)
    there = values >= 0
    # Written backwards, so that the first of each sequence stays.
    first[codes[there][::-1]] = values[there][::-1]
    odd = there & (values != first[codes])
    if odd.any():
        row = int(np.argmax(odd))
        one, other = shown(unique[first[codes[row]]]), shown(unique[values[row]])
        raise DataError(
            f'{table.name}: column "{name}": "{ids[codes[row]]}" has {one} and in row '
            f"{table.row(row)} {other}; a sequence has one, or --per-step takes one a step"
        )
    return [None if code < 0 else unique[code] for code in first]


# --- a row a sequence


def letters_in(table: Table, wish: Columns, *, certain: bool) -> str | None:
    """The column that holds the letters of whole sequences.

    Args:
        table: a row a sequence.
        wish: what the user says.
        certain: it is known that there is one, so that its name may tell.
    """
    for name in wish.features:
        check_named(table, features=name)
    named = {wish.id, wish.time, wish.label, wish.group}
    names = [name for name in wish.features or table.frame.columns if name not in named]
    texts = [name for name in names if _holds_letters(table.frame[name])]
    if len(texts) == 1 or (texts and certain):
        return texts[0]
    if not certain:
        return None
    words = [name for name in names if not is_number(table.frame[name])]
    return named_like(names, LETTER_NAMES) or (words[0] if len(words) == 1 else None)


def _holds_letters(column: pd.Series) -> bool:
    if column.dtype.kind in "iufbmMc":
        return False
    some = column.dropna().iloc[:SEEN]
    return bool(len(some)) and all(
        isinstance(cell, str) and LETTERS.fullmatch(cell.strip()) for cell in some
    )


def read_letters(table: Table, name: str | None, wish: Columns) -> Source:
    """The sequences of a table with the letters of each in one cell.

    Args:
        table: a row a sequence.
        name: the column of letters, as `letters_in` finds it.
        wish: what the user says about the other columns.

    Raises:
        DataError: there is no such column, or a row has no letters.
    """
    columns = list(table.frame.columns)
    if name is None:
        raise DataError(
            f"{table.name}: columns {listed(columns)}: none clearly holds the letters; say which "
            "with --features COLUMN"
        )
    label = wish.label if wish.answered else None
    check_named(table, id=wish.id, label=label, group=wish.group)
    free = [other for other in columns if other not in (name, wish.group)]
    id_ = wish.id or named_like([other for other in free if other != label], ID_NAMES)
    if wish.answered and label is None:
        label = find_label([other for other in free if other != id_])
        if label is None:
            raise label_missing(table, columns)
    named = (name, id_, label, wish.group)
    cells = [_column(table, one) for one in named]
    raws = []
    for row, (letters, one, answer, group) in enumerate(zip(*cells, strict=True)):
        # To count the empty lines before each row would read the file again and again.
        where = f"{table.name}: row {row if table.path is None else row + 2}"
        called = str(row) if id_ is None else as_label(one, where, "name")
        raws.append(Raw(called, where, letters, answer, group))
    found = Found(id_, None, (name,), label, wish.group, ())
    rest = tuple(other for other in columns if other not in named)
    unused = (f"not used: {listed(rest)}",) if rest else ()
    facts = (f'letters from "{name}"', *_columns_told(found), *unused)
    return Source(table.name, raws, "dna", facts=facts)


def _column(table: Table, name: str | None) -> list[Any]:
    if name is None:
        return [None] * len(table.frame)
    return list(table.frame[name].astype("object").tolist())
