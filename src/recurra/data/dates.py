"""Finds the column of a table that holds its dates, or the columns that make one."""

import numpy as np
import pandas as pd

from recurra.data.numbers import is_number, mostly_numbers
from recurra.data.options import ReadOptions
from recurra.data.stamps import (
    CLOCK,
    find_parts,
    guess,
    holds_dates,
    joined,
    parse_stamps,
    read_stamps,
)
from recurra.data.table import Table, listed, shown
from recurra.errors import DataError

TIME_NAMES = ("ds", "date", "datetime", "timestamp", "time", "date_time", "day", "month", "year")
HOUR_NAMES = ("hour", "hr", "he", "hour_ending", "hour ending")
YEAR_NAMES = ("ds", "date", "day", "month", "year")


def find_dates(
    table: Table, options: ReadOptions
) -> tuple[tuple[str, ...], str, np.ndarray | None]:
    """The columns, how they are read, and the moment of every row; None with `no_time`."""
    if options.no_time:
        return (), "", None
    if options.time is not None:
        columns: tuple[str, ...] = (options.time,)
    else:
        taken = {options.series, *options.target, *options.past, *options.future}
        columns = _time_columns(table, [name for name in table.frame.columns if name not in taken])
    columns = _with_clock(table, columns)
    how = "parts" if len(columns) > 1 and columns[0].lower() == "year" else ""
    stamps, how = read_stamps(table, columns, how)
    return columns, how, stamps


def _time_columns(table: Table, names: list[str]) -> tuple[str, ...]:
    """The best candidate that reads as dates, or parts of a date."""
    frame = table.frame
    dates = [name for name in names if holds_dates(frame[name])]
    if dates:
        return (dates[0],)
    called = sorted((name for name in names if _rank(name) < len(TIME_NAMES)), key=_rank)
    parts = find_parts(names)
    for name in called:
        if name not in parts and _reads_as_dates(frame[name], name):
            return (name,)
    if parts and all(is_number(frame[name]) or mostly_numbers(frame[name]) for name in parts):
        return parts
    texts = [name for name in names if name not in called and not is_number(frame[name])]
    for name in [*texts, *(name for name in names if _looks_dated(frame[name]))]:
        if guess(frame[name]):
            return (name,)
    raise DataError(_no_time(table, [*called, *texts]))


def _rank(name: str) -> int:
    """The place of a name in `TIME_NAMES`; `Date of sale` and `unix_time` stand near the end."""
    lowered = name.lower()
    if lowered in TIME_NAMES:
        return TIME_NAMES.index(lowered)
    return len(TIME_NAMES) - ("date" in lowered or "time" in lowered)


def _reads_as_dates(column: pd.Series, name: str) -> bool:
    """Whether a column with a telling name holds dates; 1990 may be anything but a year's."""
    how = guess(column)
    if how in ("%Y", "%Y%m") and is_number(column):
        return name.lower() in YEAR_NAMES
    return bool(how)


def _looks_dated(column: pd.Series) -> bool:
    """Whole numbers that all read as YYYYMMDD."""
    how = guess(column) if column.dtype.kind in "iu" else ""
    return how in ("%Y%m%d", "%Y%m%d%H") and not np.isnat(parse_stamps(column, how)).any()


def _with_clock(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Adds a column of times of day to a column of dates."""
    first = table.frame[columns[0]]
    if len(columns) > 1 or _has_clock(first):
        return columns
    for name in table.frame.columns:
        column = table.frame[name]
        if name.lower() in HOUR_NAMES and column.dtype.kind in "iu" and column.between(0, 24).all():
            return (columns[0], name)
        if name == columns[0] or column.dtype.kind in "iufbM":
            continue
        sample = column.dropna().iloc[:200]
        clock = len(sample) and all(CLOCK.fullmatch(str(text).strip()) for text in sample)
        if clock and guess(joined(table, (columns[0], name))):
            return (columns[0], name)
    return columns


def _has_clock(column: pd.Series) -> bool:
    """Whether dates hold a time of day already."""
    some = column.dropna().iloc[:200]
    how = guess(some)
    stamps = parse_stamps(some, how) if how else np.array([], "datetime64[us]")
    return bool((stamps != stamps.astype("datetime64[D]")).any())


def _no_time(table: Table, candidates: list[str]) -> str:
    names = list(table.frame.columns)
    message = f"{table.name}: no date column found; columns: {listed(names)}; "
    if candidates:
        column = table.frame[candidates[0]]
        read = pd.to_datetime(column.astype("str"), errors="coerce", format="ISO8601", utc=True)
        first = int(np.argmax(read.isna().to_numpy()))
        message += f"tried {candidates[0]}: row {table.row(first)} {shown(column.iloc[first])} "
        message += "is not a date; "
    return message + "use --time COLUMN or --no-time"
