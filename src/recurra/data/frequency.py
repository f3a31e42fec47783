"""Finds the grid that stamps lie on, or lays a given one under them."""

import numpy as np

from recurra.data.grid import (
    DAY,
    WEEK,
    Frequency,
    Grid,
    Ints,
    first_days,
    month_lengths,
    months_of,
    of_months,
    parse_frequency,
    simplest,
)
from recurra.data.options import Schema
from recurra.errors import DataError


def weekdays(stamps: np.ndarray) -> np.ndarray:
    """The day of the week of each stamp; 0 is Monday."""
    return (stamps.view(np.int64) // DAY + 3) % 7


def days_of(stamps: np.ndarray, months: np.ndarray) -> Ints:
    """The day of the month of each stamp, counted from 1."""
    return stamps.astype("datetime64[D]").astype(np.int64) - first_days(months) + 1


def most_common(differences: np.ndarray) -> int:
    """The size that stands there most often."""
    sizes, counts = np.unique(differences, return_counts=True)
    return int(sizes[np.argmax(counts)])


def _monthly(stamps: np.ndarray, within: np.ndarray) -> Grid | None:
    """The grid of months, if every stamp has the same place in its month."""
    months = months_of(stamps)
    steps = np.diff(months)[within]
    if not (steps > 0).any():
        return None
    step = most_common(steps[steps > 0])
    lengths = month_lengths(months)
    days = days_of(stamps, months)
    end = bool((days == lengths).all())
    day = 31 if end else int(days.max())
    micros = stamps.view(np.int64)
    same_place = (np.minimum(day, lengths) == days).all() and np.ptp(micros % DAY) == 0
    if not same_place or ((months - months[0]) % step).any():
        return None
    alias = of_months(step, int(months.min()) % 12, end).alias
    return Grid(alias, int(micros.min()), day)


def _business(stamps: np.ndarray, within: np.ndarray) -> bool:
    """Whether daily stamps pass over weekends and never fall on one."""
    days = weekdays(stamps)
    if (days > 4).any():
        return False
    return bool((np.diff(days)[within] < 0).any())


def find_grid(stamps: np.ndarray, within: np.ndarray, where: str) -> Grid:
    """The grid that every stamp lies on.

    Args:
        stamps: sorted within each series, one series after the other.
        within: for each difference of neighbours, whether both are of one series and differ.
        where: the file, for the error.
    """
    micros = stamps.view(np.int64)
    differences = np.diff(micros)[within]
    if not len(differences):
        raise DataError(
            f"{where}: no series has two different dates, so the step is unknown; name it with "
            "--frequency, such as --frequency h"
        )
    step = most_common(differences)
    # Months first: three first-of-months may lie 31 days apart twice.
    grid = _monthly(stamps, within) if step >= 28 * DAY else None
    if grid is not None:
        return grid
    odd = (differences % step != 0).sum() or ((micros - micros[0]) % step != 0).sum()
    if odd:
        raise DataError(_uneven(stamps, within, step, where))
    if step == DAY and _business(stamps, within):
        return Grid("B", int(micros.min()))
    anchor = int(weekdays(stamps[:1])[0]) if step % WEEK == 0 else None
    return Grid(simplest(step, anchor).alias, int(micros.min()))


def _uneven(stamps: np.ndarray, within: np.ndarray, step: int, where: str) -> str:
    usual = simplest(step)
    micros: Ints = stamps.view(np.int64)
    differences = np.diff(micros)
    odd = within & (differences % step != 0)
    if not odd.any():
        return (
            f"{where}: every series steps {usual.words}, but not from the same moment; put all "
            f"on one grid with --frequency {usual.alias}"
        )
    first = int(np.flatnonzero(odd)[0])
    return (
        f"{where}: the dates are not evenly spaced: mostly {usual.words}, but {odd.sum():,} of "
        f"{within.sum():,} differences are not multiples of that, first {text(stamps[first])} to "
        f"{text(stamps[first + 1])}; put them on a grid with --frequency {usual.alias}"
    )


def choose_grid(
    stamps: np.ndarray,
    within: np.ndarray,
    frequency: str | None,
    expected: Schema | None,
    where: str,
) -> tuple[Grid, list[str]]:
    """The grid to put stamps on, and what there is to say about it.

    Args:
        stamps: as in `find_grid`; likewise `within` and `where`.
        frequency: what the user says it is, if anything.
        expected: the schema of the table that a model learned from, if any.
    """
    wanted = frequency
    if expected is not None:
        if frequency is not None:
            check_frequency(parse_frequency(frequency).alias, expected.frequency, where)
        wanted = frequency or (expected.frequency if expected.resampled else None)
    if wanted is None:
        return _expect(stamps, within, expected, where), []
    grid = lay_grid(wanted, stamps)
    moved = int((~grid.holds(stamps)).sum())
    unit = parse_frequency(wanted).alias
    return grid, [f"{moved:,} rows lay between two steps of {unit}: averaged"] if moved else []


def _expect(stamps: np.ndarray, within: np.ndarray, expected: Schema | None, where: str) -> Grid:
    if expected is None:
        return find_grid(stamps, within, where)
    if expected.frequency != "row":
        grid = lay_grid(expected.frequency, stamps)
        steps = np.diff(grid.index(stamps))[within]
        if not len(steps) or (most_common(steps) == 1 and grid.holds(stamps).all()):
            return grid
    grid = find_grid(stamps, within, where)
    check_frequency(grid.frequency, expected.frequency, where)
    return grid


def check_frequency(got: str, expected: str, where: str) -> None:
    """Refuses data with another step than the one that a model learned.

    Raises:
        DataError: says both.
    """
    one, other = parse_frequency(got), parse_frequency(expected)
    if (one.kind, one.step) != (other.kind, other.step):
        raise DataError(
            f"{where}: the model learned from {other.words} ({expected}), this is {one.words} "
            f"({got}); give data with the step it learned, or train on this"
        )


def lay_grid(frequency: str, stamps: np.ndarray) -> Grid:
    """The grid of a given frequency under some stamps.

    Stamps that already lie so far apart keep their phase (daily values at 16:00, weeks on
    Fridays); others go on the calendar's: midnight, Monday, the first of January.
    """
    step = parse_frequency(frequency)
    micros = stamps.view(np.int64)
    if step.kind == "micros":
        return _lay_fixed(step.step, step.anchor, micros)
    if step.kind == "months":
        return _lay_months(step, stamps)
    if step.kind == "business":
        dates = stamps.astype("datetime64[D]").min()
        first = np.busday_offset(dates, 0, roll="backward").astype("datetime64[us]")
        return Grid("B", int(first.astype(np.int64)) + _clock(micros))
    return Grid("row")


def _clock(micros: np.ndarray) -> int:
    """The time of day that all stamps share, else midnight."""
    return int(micros[0]) % DAY if np.ptp(micros % DAY) == 0 else 0


def _lay_months(step: Frequency, stamps: np.ndarray) -> Grid:
    months = months_of(stamps)
    low = int(months.min())
    anchor = step.anchor
    if anchor is None:
        even = not ((months - low) % step.step).any()
        anchor = low % 12 if even else 11 if step.end else 0
    # The step that holds the first stamp: one stamped with its end lies after it.
    start = low + (anchor - low) % step.step if step.end else low - (low - anchor) % step.step
    days, lengths = days_of(stamps, months), month_lengths(months)
    day = 31 if step.end else int(days.max())
    day = day if (np.minimum(day, lengths) == days).all() or step.end else 1
    alias = of_months(step.step, anchor % 12, step.end).alias
    first = int(np.datetime64(start, "M").astype("datetime64[us]").astype(np.int64))
    return Grid(alias, first + _clock(stamps.view(np.int64)), day)


def _lay_fixed(step: int, anchor: int | None, micros: np.ndarray) -> Grid:
    first = int(micros.min())
    even = not ((micros - first) % step).any()
    day = int(weekdays(np.array([first], "datetime64[us]"))[0])
    if not even or (anchor is not None and anchor != day):
        # 1970 began on a Thursday.
        base = ((anchor or 0) - 3) * DAY if step % WEEK == 0 else 0
        first -= (first - base) % step
        day = anchor or 0
    return Grid(simplest(step, day).alias, first)


def text(stamp: np.datetime64) -> str:
    """A stamp for people: no zeros that say nothing."""
    written = str(stamp.astype("datetime64[s]")).replace("T", " ")
    return (
        written.removesuffix(":00").removesuffix(" 00:00") if written.endswith(":00") else written
    )
