"""Finds what each column of a table is: time, name of the series, target, covariate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
import pandas as pd

from recurra.data.numbers import is_number, mostly_numbers
from recurra.data.options import ReadOptions, Schema
from recurra.data.stamps import CLOCK, PARTS, find_parts, guess, joined, read_stamps
from recurra.data.table import Table
from recurra.errors import DataError, OptionError

TIME_NAMES = ("ds", "date", "datetime", "timestamp", "time", "date_time", "day", "month", "year")
SERIES_NAMES = ("unique_id", "series_id", "item_id", "series", "id")
# Fewer repeated dates than this are duplicates, not several series.
REPEATED = 0.02


@dataclass(frozen=True)
class Found:
    """What the columns of a table are.

    Args:
        schema: all but its frequency.
        stamps: the moment of every row; None when rows are numbered.
        facts: what was left out, a line each.
    """

    schema: Schema
    stamps: np.ndarray | None
    facts: tuple[str, ...] = ()


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names for a message: all, or the first ones and how many more."""
    names = list(names)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} … ({len(names)} in all)"


def check_named(table: Table, options: ReadOptions) -> None:
    """Every column that the options name is there, once, and has one role."""
    named = [("time", options.time), ("series", options.series)]
    for flag in ("target", "past", "future"):
        named += [(flag, name) for name in getattr(options, flag)]
    columns = list(table.frame.columns)
    seen: dict[str, str] = {}
    for flag, name in named:
        if name is None:
            continue
        if name not in columns:
            raise OptionError(unknown(table, flag, name))
        if name in seen:
            raise OptionError(f'column "{name}" is named by --{seen[name]} and by --{flag}')
        seen[name] = flag


def unknown(table: Table, flag: str, name: str) -> str:
    """The message for a column that is not there."""
    columns = list(table.frame.columns)
    by_lower = {column.lower(): column for column in columns}
    near = [by_lower[match] for match in get_close_matches(name.lower(), list(by_lower), n=3)]
    hint = f"near: {listed(near)}" if near else f"columns: {listed(columns)}"
    return f'{table.name}: --{flag} "{name}": no such column; {hint}'


def find_columns(table: Table, options: ReadOptions) -> Found:
    """What each column is, from the options and from what is in it."""
    check_named(table, options)
    time, how, stamps = _find_time(table, options)
    series = options.series or _find_series(table, time, stamps, options)
    target, facts = _find_target(table, time, series, options)
    _check_covariates(table, (*options.past, *options.future))
    schema = Schema(
        time,
        how,
        series,
        target,
        options.past,
        options.future,
        missing=options.missing,
        on_duplicate=options.on_duplicate,
        na=options.na,
    )
    return Found(schema, stamps, tuple(facts))


# --- time


def _find_time(
    table: Table, options: ReadOptions
) -> tuple[tuple[str, ...], str, np.ndarray | None]:
    if options.no_time:
        return (), "", None
    if options.time is not None:
        columns: tuple[str, ...] = (options.time,)
    else:
        taken = {options.series, *options.target, *options.past, *options.future}
        columns = _time_columns(table, [name for name in table.frame.columns if name not in taken])
    columns = _with_clock(table, columns)
    how = "parts" if len(columns) > 1 and columns[0].strip().lower() == "year" else ""
    stamps, how = read_stamps(table, columns, how)
    return columns, how, stamps


def _time_columns(table: Table, names: list[str]) -> tuple[str, ...]:
    """The best candidate that reads as dates, or parts of a date."""
    frame = table.frame
    dates = [name for name in names if frame[name].dtype.kind == "M" or _is_tz(frame[name])]
    if dates:
        return (dates[0],)
    called = sorted((name for name in names if _time_rank(name) < len(TIME_NAMES)), key=_time_rank)
    parts = find_parts(names)
    readable = [name for name in called if name not in parts and guess(frame[name])]
    if readable:
        return (readable[0],)
    if parts and all(is_number(frame[name]) or mostly_numbers(frame[name]) for name in parts):
        return parts
    texts = [name for name in names if name not in called and not is_number(frame[name])]
    for name in [*texts, *(name for name in names if _looks_dated(frame[name]))]:
        if guess(frame[name]):
            return (name,)
    raise DataError(_no_time(table, [*called, *texts]))


def _is_tz(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.DatetimeTZDtype | pd.PeriodDtype)


def _time_rank(name: str) -> int:
    lowered = name.strip().lower()
    exact = TIME_NAMES.index(lowered) if lowered in TIME_NAMES else len(TIME_NAMES)
    return min(exact, 3 if any(word in lowered for word in ("date", "time")) else exact)


def _looks_dated(column: pd.Series) -> bool:
    """Whole numbers that read as YYYYMMDD."""
    return column.dtype.kind in "iu" and guess(column) in ("%Y%m%d", "%Y%m%d%H")


def _with_clock(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Adds a column of times of day to a column of dates."""
    if len(columns) > 1 or table.frame[columns[0]].dtype.kind == "M":
        return columns
    for name in table.frame.columns:
        column = table.frame[name]
        if name == columns[0] or column.dtype.kind in "iufbM":
            continue
        sample = column.dropna().iloc[:200]
        clock = len(sample) and all(CLOCK.fullmatch(str(text).strip()) for text in sample)
        if clock and guess(joined(table, (columns[0], name))):
            return (columns[0], name)
    return columns


def _no_time(table: Table, candidates: list[str]) -> str:
    names = list(table.frame.columns)
    message = f"{table.name}: no date column found; columns: {listed(names)}; "
    if candidates:
        column = table.frame[candidates[0]]
        read = pd.to_datetime(column.astype("str"), errors="coerce", format="ISO8601", utc=True)
        first = int(np.argmax(read.isna().to_numpy()))
        message += f'tried {candidates[0]}: row {table.row(first)} "{column.iloc[first]}" is not '
        message += "a date; "
    return message + "use --time COLUMN or --no-time"


# --- series


def _find_series(
    table: Table, time: tuple[str, ...], stamps: np.ndarray | None, options: ReadOptions
) -> str | None:
    """The column that names the series of a long table; None when the table is wide."""
    taken = {*time, *options.target, *options.past, *options.future}
    names = [name for name in table.frame.columns if name not in taken]
    known = [name for name in names if name.lower() == "unique_id"]
    if known or stamps is None:
        return known[0] if known else None
    repeated = len(stamps) - len(np.unique(stamps))
    if repeated <= REPEATED * len(stamps):
        return None
    moments = stamps.view(np.int64)
    fitting = [name for name in names if _names_series(table.frame[name], moments)]
    if len(fitting) > 1:
        fitting = _clearest(table, fitting)
    if len(fitting) > 1:
        raise DataError(
            f"{table.name}: dates repeat, and each of {listed(fitting)} could name the series; "
            "say which with --series COLUMN"
        )
    return fitting[0] if fitting else None


def _names_series(column: pd.Series, moments: np.ndarray) -> bool:
    """Whether the column is text or whole numbers, few of them, and unique at each moment."""
    if column.dtype.kind in "fbMmc" or _is_tz(column) or column.isna().any():
        return False
    codes, names = pd.factorize(column)
    if len(names) * 2 > len(codes):
        return False
    order = np.lexsort((moments, codes))
    same = (np.diff(codes[order]) == 0) & (np.diff(moments[order]) == 0)
    return bool(same.sum() <= REPEATED * len(codes))


def _clearest(table: Table, names: list[str]) -> list[str]:
    """The one with a telling name, else the only one of text, else all."""
    telling = [name for known in SERIES_NAMES for name in names if name.lower() == known]
    texts = [name for name in names if not is_number(table.frame[name])]
    return telling[:1] or (texts if len(texts) == 1 else names)


# --- target


def _find_target(
    table: Table, time: tuple[str, ...], series: str | None, options: ReadOptions
) -> tuple[tuple[str, ...], list[str]]:
    frame = table.frame
    used = {*time, series, *options.past, *options.future}
    if options.target:
        if series is not None and len(options.target) > 1:
            raise OptionError(
                f"{table.name}: a long table has one --target; got {listed(options.target)}"
            )
        rest = [name for name in frame.columns if name not in {*used, *options.target}]
        return options.target, [f"not used: {listed(rest)}"] if rest else []
    rest = [name for name in frame.columns if name not in used]
    numbers = [
        name for name in rest if is_number(frame[name]) or mostly_numbers(frame[name], table.na)
    ]
    useful = [name for name in numbers if not _is_helper(frame[name], name)] or numbers
    if series is not None and len(useful) > 1:
        named = [name for name in useful if name.lower() == "y"]
        if not named:
            raise DataError(
                f"{table.name}: several columns could be forecast: {listed(useful)}; "
                "say which with --target COLUMN"
            )
        useful = named
    if not useful:
        raise DataError(
            f"{table.name}: no column of numbers to forecast; columns: {listed(frame.columns)}"
        )
    unused = [name for name in rest if name not in useful]
    return tuple(useful), [f"not used: {listed(unused)}"] if unused else []


def _is_helper(column: pd.Series, name: str) -> bool:
    """A row counter or a part of the date."""
    if name.strip().lower() in PARTS:
        return True
    if column.dtype.kind not in "iu" or len(column) < 2:
        return False
    values = column.to_numpy()
    return bool(values[0] in (0, 1) and (np.diff(values) == 1).all())


def _check_covariates(table: Table, names: Sequence[str]) -> None:
    for name in names:
        column = table.frame[name]
        if column.dtype.kind not in "iufb" and not mostly_numbers(column, table.na):
            raise DataError(
                f'{table.name}: column "{name}" is not made of numbers, and a covariate has to be; '
                "turn it into numbers or leave it out of --past and --future"
            )


# --- a table like one that was read before


def known_columns(table: Table, schema: Schema, options: ReadOptions) -> Found:
    """The columns that a schema names, but those that the options name anew."""
    schema = replace(
        schema,
        time=(options.time,) if options.time is not None else schema.time,
        series=options.series or schema.series,
        target=options.target or schema.target,
        missing=options.missing if options.missing != "auto" else schema.missing,
        on_duplicate=options.on_duplicate or schema.on_duplicate,
        na=options.na or schema.na,
    )
    missing = [name for name in schema.columns if name not in table.frame.columns]
    if missing:
        values = (*schema.target, *schema.past, *schema.future)
        all_ = values if set(missing) <= set(values) else schema.columns
        span = listed(all_) if len(all_) < 3 else f"{all_[0]} … {all_[-1]}"
        plural = "column" if len(all_) == 1 else "columns"
        raise DataError(
            f"{table.name}: the model expects {len(all_)} {plural} ({span}); "
            f"missing {listed(missing)}"
        )
    if not schema.time:
        return Found(schema, None)
    stamps, how = read_stamps(table, schema.time, schema.time_format)
    return Found(replace(schema, time_format=how), stamps)
