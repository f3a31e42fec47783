"""The rows of a table in order: series by series, each by time, one row for each step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recurra.data.frequency import text
from recurra.data.grid import DAY, Grid, parse_frequency
from recurra.data.table import Table
from recurra.errors import DataError

CLOCK_CHANGE_MONTHS = (3, 4, 5, 9, 10, 11)


@dataclass(frozen=True)
class Rows:
    """Which rows of a table, in which order, make which steps of which series.

    Args:
        edges: (S + 1,) where each series begins in `index`.
        index: the step on the grid; ascending within a series.
        order: the rows of the table, sorted; None when they are already.
        cells: where each step begins in `order`; None when each has one row.
        merge: what several rows of one step become.
    """

    edges: np.ndarray
    index: np.ndarray
    order: np.ndarray | None
    cells: np.ndarray | None
    merge: str

    def take(self, column: np.ndarray) -> np.ndarray:
        """The column's values in this order, one for each step."""
        values = column if self.order is None else column[self.order]
        if self.cells is None:
            return values
        if self.merge == "first":
            return np.asarray(values[self.cells])
        if self.merge == "last":
            return np.asarray(values[np.append(self.cells[1:], len(values)) - 1])
        missing = np.isnan(values)
        sums = np.add.reduceat(np.where(missing, 0.0, values), self.cells)
        counts = np.add.reduceat((~missing).astype(np.int64), self.cells)
        sums[counts == 0] = np.nan
        return np.asarray(sums / np.maximum(counts, 1))


@dataclass(frozen=True)
class Sorted:
    """Rows by series and time; `order` as in `Rows`, `same` marks neighbours of one series."""

    codes: np.ndarray
    stamps: np.ndarray
    order: np.ndarray | None
    same: np.ndarray

    @property
    def was_unsorted(self) -> bool:
        """Whether time went backwards within a series."""
        return self.order is not None and bool((np.diff(self.order)[self.same] < 0).any())


def sort_rows(codes: np.ndarray, stamps: np.ndarray) -> Sorted:
    """Sorts by series, then by time; rows of one moment stay in the order of the table."""
    micros = stamps.view(np.int64)
    steps, order = np.diff(codes), None
    if not ((steps > 0) | ((steps == 0) & (np.diff(micros) >= 0))).all():
        order = np.lexsort((micros, codes))
        codes, stamps = codes[order], stamps[order]
    return Sorted(codes, stamps, order, np.diff(codes) == 0)


def number_rows(codes: np.ndarray) -> Rows:
    """Rows without dates: each series counts its own, in the order of the table."""
    order = None if (np.diff(codes) >= 0).all() else np.argsort(codes, kind="stable")
    edges = edges_of(codes if order is None else codes[order])
    index = np.arange(len(codes)) - np.repeat(edges[:-1], np.diff(edges))
    return Rows(edges, index, order, None, "mean")


def edges_of(codes: np.ndarray) -> np.ndarray:
    """Where each run of equal codes begins, and the end."""
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])


def merge_rows(
    table: Table,
    rows: Sorted,
    grid: Grid,
    names: Sequence[str],
    rule: str | None,
    series: str | None,
) -> tuple[Rows, list[str]]:
    """Gives every row its step and says what becomes of steps with several rows.

    Args:
        table: for messages.
        rows: sorted.
        grid: of the result.
        names: of the series.
        rule: what several rows of one step become; None accepts a clock change alone.
        series: the column that names the series, for messages.
    """
    index = grid.index(rows.stamps)
    again = rows.same & (np.diff(index) == 0)
    edges = edges_of(rows.codes)
    if not again.any():
        return Rows(edges, index, rows.order, None, "mean"), []
    facts = []
    if rule is None:
        allowed = _clock_changes(rows, again, grid)
        if not allowed[again].all():
            raise DataError(_twice(table, rows, again & ~allowed, names, series))
        count = int(again.sum())
        plural = "stamp" if count == 1 else "stamps"
        facts.append(f"clocks set back: {count:,} repeated {plural} averaged")
    cells = np.concatenate([[0], np.flatnonzero(~again) + 1])
    return Rows(edges_of(rows.codes[cells]), index[cells], rows.order, cells, rule or "mean"), facts


def _clock_changes(rows: Sorted, again: np.ndarray, grid: Grid) -> np.ndarray:
    """Which repeated rows look like an hour that a change of the clocks made twice."""
    allowed = np.zeros(len(again), dtype=bool)
    step = parse_frequency(grid.frequency)
    if step.kind != "micros" or step.step >= DAY:
        return allowed
    stamps = rows.stamps[1:]
    hours = stamps.astype("datetime64[h]").astype(np.int64)
    months = stamps.astype("datetime64[M]").astype(np.int64)
    thrice = again & (np.append(again[1:], False) | np.insert(again[:-1], 0, False))
    plausible = again & ~thrice & (hours % 24 <= 3)
    plausible &= np.isin(months % 12 + 1, CLOCK_CHANGE_MONTHS)
    # One hour of a year: all repeated stamps of a series and a year share it.
    key = rows.codes[1:] * 100_000 + months // 12
    spots = np.flatnonzero(plausible)
    for year in np.unique(key[spots]):
        mine = spots[key[spots] == year]
        allowed[mine] = len(np.unique(hours[mine])) == 1
    return allowed


def _twice(
    table: Table, rows: Sorted, wrong: np.ndarray, names: Sequence[str], series: str | None
) -> str:
    first = int(np.argmax(wrong))
    places = [first, first + 1] if rows.order is None else rows.order[first : first + 2]
    one, other = (table.row(int(place)) for place in places)
    which = f': series "{names[int(rows.codes[first])]}"' if series is not None else ""
    more = f" ({int(wrong.sum()):,} such)" if wrong.sum() > 1 else ""
    stacked = "" if series is not None else ", or --series COLUMN if several series are stacked"
    return (
        f"{table.name}{which}: rows {one} and {other} share {text(rows.stamps[first])}{more}; say "
        f"--on-duplicate mean|first|last{stacked}"
    )
