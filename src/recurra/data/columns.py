"""Finds what each column of a table is: time, name of the series, target, covariate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
import pandas as pd

from recurra.data.dates import find_dates
from recurra.data.numbers import is_number, mostly_numbers
from recurra.data.options import ReadOptions, Schema
from recurra.data.stamps import PARTS, holds_dates, read_stamps
from recurra.data.table import Table, listed, shown
from recurra.errors import DataError, OptionError

SERIES_NAMES = ("unique_id", "series_id", "item_id", "series", "id")
# A smaller share of repeated dates is duplicates, a larger one is several series.
REPEATED = 0.1
# What may still repeat within each series, as when clocks are set back.
REPEATED_WITHIN = 0.02


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
    time, how, stamps = find_dates(table, options)
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
    numbers = [name for name in names if is_number(table.frame[name])]
    fitting = [
        name
        for name in names
        if (options.target or numbers != [name]) and _names_series(table.frame[name], moments)
    ]
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
    if column.dtype.kind in "fbmc" or holds_dates(column):
        return False
    codes, names = pd.factorize(column)
    if len(names) * 2 > len(codes):
        return False
    order = np.lexsort((moments, codes))
    same = (np.diff(codes[order]) == 0) & (np.diff(moments[order]) == 0)
    return bool(same.sum() <= REPEATED_WITHIN * len(codes))


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
            + "".join(f'; "{name}" holds such as {shown(frame[name].iloc[0])}' for name in rest[:1])
        )
    unused = [name for name in rest if name not in useful]
    return tuple(useful), [f"not used: {listed(unused)}"] if unused else []


def _is_helper(column: pd.Series, name: str) -> bool:
    """A row counter or a part of the date."""
    if name.lower() in PARTS:
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
        time=() if options.no_time else (options.time,) if options.time else schema.time,
        time_format="" if options.time else schema.time_format,
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
        other = ", or predict with --target NAME,…" if set(missing) <= set(schema.target) else ""
        # A table that has nothing of the model's may be the wrong one: say what it does have.
        strange = not set(schema.columns) & set(table.frame.columns)
        has = f" (the table has {listed(list(table.frame.columns))})" if strange else ""
        raise DataError(
            f"{table.name}: the model expects {len(all_)} {plural} ({span}); "
            f"missing {listed(missing)}{has}; add them{other}"
        )
    if not schema.time:
        return Found(schema, None)
    stamps, how = read_stamps(table, schema.time, schema.time_format)
    return Found(replace(schema, time_format=how), stamps)
