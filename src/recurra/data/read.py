"""Reads a table as a panel: columns, stamps, grid, rows, series, in this order."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from recurra.data.checks import check_series, check_size
from recurra.data.columns import Found, find_columns, known_columns
from recurra.data.frequency import check_frequency, choose_grid, text
from recurra.data.grid import Grid, parse_frequency
from recurra.data.numbers import read_numbers
from recurra.data.options import ReadOptions, Schema
from recurra.data.panel import Panel
from recurra.data.rows import Rows, merge_rows, number_rows, sort_rows
from recurra.data.series import Series, cut, frozen
from recurra.data.stamps import told
from recurra.data.table import Table, listed, read_table
from recurra.errors import DataError


def read_panel(
    source: object, options: ReadOptions | None = None, schema: Schema | None = None
) -> Panel:
    """Reads a table of one or many series.

    Args:
        source: the path of a CSV, TSV or Parquet file (also packed: .gz, .zip, .bz2, .xz), or a
            pandas or polars frame. A *long* table has a column that names the series and one with
            the values; a *wide* one has a column for each series.
        options: what the user says about it; the rest is found.
        schema: of the table that a model learned from, so that this one is read in the same way;
            its series may be others, fewer, more, and constant.

    Raises:
        DataError: something in the table does not fit; says where and which option mends it.
        OptionError: an option does not fit.
        MissingFileError: there is no such file.
    """
    options = options or ReadOptions()
    table = read_table(source, options.na or (schema.na if schema else ()))
    if schema is None:
        found = find_columns(table, options)
    else:
        found = known_columns(table, schema, options)
    codes, ids = _ids(table, found.schema.series)
    rows, grid, facts = _place(table, found, codes, ids, options.frequency, schema)
    check_size(rows, table.name)
    read = replace(
        found.schema,
        frequency=grid.frequency,
        resampled=options.frequency is not None or found.schema.resampled,
    )
    series = list(_series(table, read, rows, ids))
    good, more = check_series(
        series, table.name, read, options.skip_constant, constant_fits=schema is not None
    )
    first = _summary(table, good, grid, read)
    return _panel(good, grid, read, (first, *facts, *more, *found.facts))


def _ids(table: Table, column: str | None) -> tuple[np.ndarray, list[str]]:
    """Which series each row belongs to, and their names in order."""
    if column is None:
        return np.zeros(len(table.frame), dtype=np.int64), [""]
    names = table.frame[column]
    empty = names.isna().to_numpy()
    if empty.any():
        row = table.row(int(np.argmax(empty)))
        raise DataError(
            f'{table.name}: column "{column}", row {row}: the series has no name; NA and the like '
            "mean missing"
        )
    if names.dtype.kind not in "iuf":
        names = names.astype("str")
    codes, unique = pd.factorize(names, sort=True)
    whole = unique.dtype.kind == "f" and (unique == np.floor(unique)).all()
    return codes, [str(int(name) if whole else name) for name in unique]


def _place(
    table: Table,
    found: Found,
    codes: np.ndarray,
    ids: list[str],
    frequency: str | None,
    expected: Schema | None,
) -> tuple[Rows, Grid, list[str]]:
    """Puts the rows on a grid."""
    schema = found.schema
    if found.stamps is None:
        if expected is not None:
            check_frequency("row", expected.frequency, table.name)
        return number_rows(codes), Grid("row"), []
    ordered = sort_rows(codes, found.stamps)
    within = ordered.same & (np.diff(ordered.stamps.view(np.int64)) != 0)
    grid, facts = choose_grid(ordered.stamps, within, frequency, expected, table.name)
    if ordered.was_unsorted:
        facts.insert(0, "the rows were not in order of time: sorted")
    facts = [*told(table, schema.time, schema.time_format), *facts]
    resampled = frequency is not None or schema.resampled
    rule = "mean" if resampled else schema.on_duplicate
    rows, more = merge_rows(table, ordered, grid, ids, rule, schema.series)
    return rows, grid, [*facts, *more]


def _series(table: Table, schema: Schema, rows: Rows, ids: list[str]) -> Iterator[Series]:
    def columns(names: tuple[str, ...]) -> list[np.ndarray]:
        return [rows.take(read_numbers(table, name)) for name in names]

    names = [list(schema.target)] if schema.series is None else [[name] for name in ids]
    return cut(rows, names, columns(schema.target), columns(schema.past), columns(schema.future))


def _panel(series: list[Series], grid: Grid, schema: Schema, facts: tuple[str, ...]) -> Panel:
    return Panel(
        names=tuple(one.name for one in series),
        starts=frozen(np.array([one.start for one in series], dtype=np.int64)),
        values=tuple(one.values for one in series),
        past=tuple(one.past for one in series),
        future=tuple(one.future for one in series),
        past_names=schema.past,
        future_names=schema.future,
        grid=grid,
        schema=schema,
        facts=facts,
    )


def _summary(table: Table, series: list[Series], grid: Grid, schema: Schema) -> str:
    """Rows, series, step and span in one line."""
    step = parse_frequency(grid.frequency)
    said = step.words if step.kind == "row" else f"{step.words} ({grid.frequency})"
    parts = [f"{len(table.frame):,} rows", f"{len(series):,} series", said]
    if step.kind != "row":
        ends = np.array(
            [min(one.start for one in series), max(one.start + len(one.values) for one in series)]
        )
        first, last = grid.stamps(ends - [0, 1])
        parts.append(f"{text(first)} to {text(last)} from {' + '.join(schema.time)}")
    what = schema.target[0] if schema.series else listed([one.name for one in series])
    by = f" by {schema.series}" if schema.series else ""
    return f"{table.name}: {', '.join(parts)}; {what}{by}"
