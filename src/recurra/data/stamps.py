"""From columns to stamps: dates as text, as numbers, as parts.

How a column is read is a short text that a schema keeps: a `strptime` pattern, or

    dates    the column holds dates already
    iso      ISO 8601, with or without a time and an offset from UTC
    quarter  2020Q1, 2020-Q1
    seconds  seconds since 1970; likewise milliseconds
    parts    several columns named year, month, day, hour, minute, second

Two columns that are not parts are a date and a time of day, which may be a number of hours.
"""

import re
from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from recurra.data.frequency import days_of, most_common
from recurra.data.grid import months_of
from recurra.data.table import Table, shown
from recurra.errors import DataError

PARTS = ("year", "month", "day", "hour", "minute", "second")
SAMPLE = 200

ISO = re.compile(
    r"\d{4}-\d\d(-\d\d([T ]\d\d(:?\d\d(:?\d\d(\.\d+)?)?)?)?)?\s?(Z|[+-]\d\d(:?\d\d)?)?"
)
OFFSET = re.compile(r"\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")
CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AaPp][Mm])?")
QUARTER = re.compile(r"(\d{4})\s?-?\s?[Qq]([1-4])")

# Where two patterns fit, the one that makes the steps more even counts; see `_fitting`.
DATES = (
    "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%Y-%b", "%Y %b",
    "%m/%Y", "%Y/%m", "%m-%Y", "%m.%Y", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m", "%Y",
)  # fmt: skip
TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")


def read_stamps(table: Table, columns: Sequence[str], how: str) -> tuple[np.ndarray, str]:
    """The moment of every row, as `datetime64[us]`, and how it was read.

    Args:
        table: where from.
        columns: one column, a date and a time of day, or parts.
        how: tried first; empty when it has to be found.

    Raises:
        DataError: names the first row that is no date.
    """
    if how == "parts":
        stamps = from_parts(table, columns)
    elif len(columns) == 2 and table.frame[columns[1]].dtype.kind in "iu":
        stamps, how = read_stamps(table, columns[:1], how)
        stamps = stamps + table.frame[columns[1]].to_numpy() * np.timedelta64(3_600_000_000, "us")
    else:
        column = joined(table, columns)
        stamps = parse_stamps(column, how) if how else np.full(len(column), "NaT", "datetime64[us]")
        if np.isnat(stamps).any():
            how = guess(column)
            stamps = parse_stamps(column, how) if how else stamps
    wrong = np.flatnonzero(np.isnat(stamps))
    if len(wrong):
        raise DataError(f"{table.name}: {_complaint(table, columns, int(wrong[0]))}")
    return stamps, how


def _complaint(table: Table, columns: Sequence[str], position: int) -> str:
    cells = [table.frame[column].iloc[position] for column in columns]
    named = " + ".join(f'"{column}"' for column in columns)
    place = f"column {named}, row {table.row(position)}"
    if any(pd.isna(cell) for cell in cells):
        return f"{place}: the date is empty"
    text = shown(" ".join(str(cell) for cell in cells))
    return f"{place}: {text} is not a date; mend it, or use --time COLUMN or --no-time"


def joined(table: Table, columns: Sequence[str]) -> pd.Series:
    """The column, or a date and a time of day as one text."""
    column = table.frame[columns[0]]
    for other in columns[1:]:
        column = column.astype("str") + " " + table.frame[other].astype("str")
    return column


def holds_dates(column: pd.Series) -> bool:
    """Whether the column's type is a date's."""
    return column.dtype.kind == "M" or isinstance(column.dtype, pd.PeriodDtype)


def guess(column: pd.Series) -> str:
    """How most of the column can be read as dates; empty when it cannot."""
    if holds_dates(column):
        return "dates"
    some = column.dropna()
    if not len(some) or column.dtype.kind == "b":
        return ""
    sample = pd.concat([some.iloc[:SAMPLE], some.iloc[-SAMPLE:]])
    if column.dtype.kind in "iuf":
        return _guess_number(sample)
    if not isinstance(sample.iloc[0], str):
        return "dates" if not np.isnat(parse_stamps(sample, "dates")).any() else ""
    texts = sample.astype("str").str.strip()
    for name, pattern in (("iso", ISO), ("quarter", QUARTER)):
        if sum(bool(pattern.fullmatch(text)) for text in texts) * 2 > len(texts):
            return name
    return _fitting(column, texts)


def _guess_number(sample: pd.Series) -> str:
    numbers = sample.to_numpy(dtype=np.float64)
    if (numbers != np.floor(numbers)).any():
        return ""
    low, high = np.quantile(numbers, [0.25, 0.75])
    for pattern, bounds in {
        "%Y": (1500, 2200),
        "%Y%m": (150001, 220012),
        "%Y%m%d": (15000101, 22001231),
        "%Y%m%d%H": (1900010100, 2200123123),
        "seconds": (100_000_000, 5_000_000_000),
        "milliseconds": (100_000_000_000, 5_000_000_000_000),
    }.items():
        fits = bounds[0] <= low and high <= bounds[1]
        if fits and np.isnat(parse_stamps(sample, pattern)).mean() < 0.5:
            return pattern
    return ""


def _fitting(column: pd.Series, texts: pd.Series) -> str:
    """The pattern that reads the most rows; of several, the one with the fewest sizes of step."""
    fitting = []
    usual = texts.iloc[len(texts) // 2]
    colons, halves = usual.count(":"), usual.lower().endswith("m")
    for date, time in product(DATES, TIMES):
        same = time.count(":") == colons and ("%p" in time) == halves
        if same and not ("%H" in date and time):
            read = 1 - np.isnat(parse_stamps(texts, date + time)).mean()
            if read > 0.5:
                fitting.append(date + time)
    if len(fitting) < 2:
        return fitting[0] if fitting else ""
    whole = {pattern: parse_stamps(column, pattern) for pattern in fitting}
    gaps = {pattern: int(np.isnat(stamps).sum()) for pattern, stamps in whole.items()}
    return min(fitting, key=lambda pattern: (gaps[pattern], _unevenness(whole[pattern])))


def _unevenness(stamps: np.ndarray) -> float:
    """How far the stamps' span is from as many usual steps as they make; at best 0.

    Firsts of months are even although months are not, and of two even readings the likelier.
    """
    stamps = np.unique(stamps[~np.isnat(stamps)])
    months = months_of(stamps)
    firsts = len(np.unique(months)) == len(stamps) and (days_of(stamps, months) == 1).all()
    places = months if firsts else stamps.view(np.int64)
    if len(places) < 2:
        return 1.0
    steps = float(np.ptp(places)) / most_common(np.diff(places))
    return abs(steps / (len(places) - 1) - 1) - 1e-9 * firsts


def parse_stamps(column: pd.Series, how: str) -> np.ndarray:
    """Stamps by a given way of reading; NaT where it does not fit."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if column.dtype.kind == "M":
        return _micros(column)
    if how in ("seconds", "milliseconds"):
        unit = 1_000_000 if how == "seconds" else 1_000
        return (column.to_numpy(dtype=np.float64) * unit).astype(np.int64).view("datetime64[us]")
    if column.dtype.kind in "iuf":
        column = column.astype("Int64").astype("str")
    if how == "quarter":
        months = column.str.extract(QUARTER.pattern)
        column = months[0] + "-" + (pd.to_numeric(months[1]) * 3 - 2).astype("str").str.zfill(2)
    formats = {"iso": "ISO8601", "quarter": "%Y-%m", "dates": None}
    parsed = pd.to_datetime(column, format=formats.get(how, how), errors="coerce", utc=True)
    return _micros(parsed)


def _micros(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.to_numpy().astype("datetime64[us]")


def told(table: Table, columns: Sequence[str], how: str) -> list[str]:
    """What a reader of the dates should know: offsets from UTC, and whether a day comes first."""
    column = table.frame[columns[0]]
    aware = isinstance(column.dtype, pd.DatetimeTZDtype)
    if aware or (how == "iso" and OFFSET.search(str(column.iloc[0]))):
        return ["the dates have offsets: turned into UTC"]
    if re.match(r"%[dm].%[dm].%[yY]", how):
        words = {"d": "day", "m": "month", "y": "year", "Y": "year"}
        order = "/".join(words[letter] for letter in how.replace("%", "")[0:5:2])
        return [f"the dates are read as {order}"]
    return []


def from_parts(table: Table, columns: Sequence[str]) -> np.ndarray:
    """Stamps from columns named year, month, day, hour, minute, second; NaT for no date."""
    numbers = {
        column.lower(): pd.to_numeric(table.frame[column], errors="coerce").to_numpy(np.float64)
        for column in columns
    }
    whole = np.all([np.isfinite(part) & (part == np.floor(part)) for part in numbers.values()], 0)
    parts = {name: np.where(whole, part, 1).astype(np.int64) for name, part in numbers.items()}
    month = parts["month"]
    first = ((parts["year"] - 1970) * 12 + month - 1).astype("datetime64[M]")
    date = first.astype("datetime64[D]") + (parts.get("day", 1) - np.int64(1))
    whole &= (month >= 1) & (month <= 12) & (date.astype("datetime64[M]") == first)
    micros = date.astype("datetime64[us]").view(np.int64)
    for name, size, most in (("hour", 3600, 24), ("minute", 60, 59), ("second", 1, 59)):
        if name in parts:
            whole &= (parts[name] >= 0) & (parts[name] <= most)
            micros = micros + parts[name] * (size * 1_000_000)
    return np.where(whole, micros.view("datetime64[us]"), np.datetime64("NaT"))


def find_parts(names: Sequence[str]) -> tuple[str, ...]:
    """The columns that together make a date, from the year down; at least year and month."""
    by_name = {name.lower(): name for name in names}
    found: list[str] = []
    for part in PARTS:
        if part not in by_name:
            break
        found.append(by_name[part])
    return tuple(found) if len(found) > 1 else ()
