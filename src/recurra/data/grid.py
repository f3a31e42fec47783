"""A regular grid of time: whole numbers on one side, stamps on the other.

Stamps are `datetime64[us]`. A step is a fixed number of microseconds, a number of months, one
business day, or a row of a table without dates; each is plain integer arithmetic, so a grid costs
microseconds to use.
"""

import re
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from recurra.errors import OptionError

Ints = NDArray[np.int64]
Kind = Literal["micros", "months", "business", "row"]

DAY = 86_400_000_000
WEEK = 7 * DAY
MICROS = {
    "W": WEEK,
    "D": DAY,
    "h": 3_600_000_000,
    "min": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
MONTHS = {"M": 1, "Q": 3, "Y": 12}
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTH_NAMES = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip

# Spellings of older pandas and of habit.
SPELLINGS = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "d": "D", "w": "W",
    "M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "AS": "YS", "b": "B",
}  # fmt: skip
WORDS = {
    "us": "microsecond", "ms": "millisecond", "s": "second", "min": "minute", "h": "hour",
    "D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year", "B": "business day",
    "row": "row",
}  # fmt: skip


@dataclass(frozen=True)
class Frequency:
    """The distance between two steps, and where in a week, month or year a step lies.

    Args:
        kind: what is counted.
        step: how many microseconds or months; 1 for business days and rows.
        unit: a key of `WORDS`.
        anchor: a weekday (0 is Monday) or a month (0 is January), None when not said.
        end: months, quarters or years are stamped with their last day.
    """

    kind: Kind
    step: int
    unit: str
    anchor: int | None = None
    end: bool = False

    @property
    def count(self) -> int:
        """How many units make a step."""
        if self.kind == "micros":
            return self.step // MICROS[self.unit]
        return self.step // MONTHS[self.unit] if self.kind == "months" else 1

    @property
    def alias(self) -> str:
        """The pandas offset alias, as `parse_frequency` reads it."""
        number = "" if self.count == 1 else str(self.count)
        if self.kind == "micros":
            anchored = self.unit == "W" and self.anchor is not None
            return number + self.unit + (f"-{WEEKDAYS[cast(int, self.anchor)]}" if anchored else "")
        if self.kind == "months":
            anchored = self.unit != "M" and self.anchor is not None
            suffix = f"-{MONTH_NAMES[cast(int, self.anchor)]}" if anchored else ""
            return number + self.unit + ("E" if self.end else "S") + suffix
        return self.unit

    @property
    def words(self) -> str:
        """The step for people: `hourly`, `every 15 minutes`."""
        if self.count > 1:
            return f"every {self.count} {WORDS[self.unit]}s"
        special = {"D": "daily", "B": "business days", "row": "numbered rows"}
        return special.get(self.unit, WORDS[self.unit] + "ly")


def parse_frequency(text: str) -> Frequency:
    """Reads an alias such as `15min`, `h`, `W-FRI`, `MS`, `QE-DEC` or `B`."""
    match = re.fullmatch(r"(\d*)\s*([A-Za-z]+)(?:-([A-Za-z]{3}))?", text.strip())
    if match:
        count = int(match[1] or 1)
        unit = SPELLINGS.get(match[2], match[2])
        anchor = (match[3] or "").upper()
        found = _frequency(count, unit, anchor) if count else None
        if found is not None:
            return found
    raise OptionError(
        f'--frequency "{text}" is not known; what fits is such as 15min, h, D, W, MS, QS, YS, B'
    )


def _frequency(count: int, unit: str, anchor: str) -> Frequency | None:
    if unit in MICROS and (not anchor or (unit == "W" and anchor in WEEKDAYS)):
        place = WEEKDAYS.index(anchor) if anchor else None
        return simplest(count * MICROS[unit], place)
    if unit[:-1] in MONTHS and unit[-1] in "SE" and (not anchor or anchor in MONTH_NAMES):
        place = MONTH_NAMES.index(anchor) if anchor and unit[0] != "M" else None
        return of_months(count * MONTHS[unit[:-1]], place, unit[-1] == "E")
    if unit in ("B", "row") and count == 1 and not anchor:
        return Frequency("business" if unit == "B" else "row", 1, unit)
    return None


def simplest(step: int, anchor: int | None = None) -> Frequency:
    """A fixed step in the largest unit that divides it."""
    unit = next(unit for unit, size in MICROS.items() if step % size == 0)
    return Frequency("micros", step, unit, anchor if unit == "W" else None)


def of_months(step: int, anchor: int | None = None, end: bool = False) -> Frequency:
    """A step of months in the largest unit that divides it, its anchor the canonical month."""
    unit = next(unit for unit in ("Y", "Q", "M") if step % MONTHS[unit] == 0)
    if unit == "Q" and anchor is not None:
        anchor = anchor % 3 + (9 if end else 0)
    return Frequency("months", step, unit, anchor if unit != "M" else None, end)


def months_of(stamps: np.ndarray) -> Ints:
    """Months since January 1970 of each stamp."""
    return stamps.astype("datetime64[M]").astype(np.int64)


def first_days(months: np.ndarray) -> Ints:
    """Days since 1970 of the first of each month, given as months since January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def month_lengths(months: np.ndarray) -> Ints:
    """Days in each month, given as months since January 1970."""
    return first_days(months + 1) - first_days(months)


@dataclass(frozen=True)
class Grid:
    """Stamps by number.

    Args:
        frequency: a canonical alias, or `row` when rows are numbered.
        origin: a moment in step 0, in microseconds since 1970, at the time of day of every stamp;
            0 for numbered rows.
        day: day of the month of every stamp on a grid of months, clipped to the month's length,
            so 31 is the month's end.
    """

    frequency: str
    origin: int = 0
    day: int = 1

    def index(self, stamps: np.ndarray) -> Ints:
        """The number of the step that each stamp lies in; for numbered rows the row itself."""
        step = parse_frequency(self.frequency)
        if step.kind == "row":
            return np.asarray(stamps, dtype=np.int64)
        stamps = np.asarray(stamps, dtype="datetime64[us]")
        origin = np.array([self.origin]).view("datetime64[us]")
        if step.kind == "micros":
            return (stamps.view(np.int64) - self.origin) // step.step
        if step.kind == "months":
            # A step stamped with its end holds the months before, another those after.
            shift = step.step - 1 if step.end else 0
            return (months_of(stamps) - months_of(origin) + shift) // step.step
        days = np.busday_offset(stamps.astype("datetime64[D]"), 0, roll="backward")
        return np.asarray(np.busday_count(origin.astype("datetime64[D]"), days), dtype=np.int64)

    def stamps(self, index: np.ndarray) -> np.ndarray:
        """The stamp of each step, as `datetime64[us]`; for numbered rows the number itself."""
        step = parse_frequency(self.frequency)
        index = np.asarray(index, dtype=np.int64)
        if step.kind == "row":
            return index
        if step.kind == "micros":
            return (self.origin + index * step.step).view("datetime64[us]")
        origin = np.array([self.origin]).view("datetime64[us]")
        if step.kind == "months":
            months = months_of(origin) + index * step.step
            day = np.minimum(self.day, month_lengths(months)) - 1
            dates = months.astype("datetime64[M]").astype("datetime64[D]") + day
        else:
            dates = np.busday_offset(origin.astype("datetime64[D]"), index)
        clock = np.timedelta64(self.origin % DAY, "us")
        return np.asarray(dates.astype("datetime64[us]") + clock)

    def holds(self, stamps: np.ndarray) -> np.ndarray:
        """Which stamps are steps of the grid rather than between two."""
        return np.asarray(self.stamps(self.index(stamps)) == stamps)
