"""How a table is to be read, and how one was read."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from recurra.data.grid import parse_frequency
from recurra.errors import OptionError

CHOICES: dict[str, tuple[str | None, ...]] = {
    "missing": ("auto", "interpolate", "drop", "refuse"),
    "on_duplicate": (None, "mean", "first", "last"),
}


@dataclass(frozen=True)
class ReadOptions:
    """What the user says about a table; whatever is left out is found in the table.

    Args:
        time: the column with the dates.
        no_time: the table has no dates; its rows are numbered.
        series: the column that names the series of a long table.
        target: the columns to forecast; a long table has one.
        past: covariates known up to now.
        future: covariates known ahead.
        frequency: a pandas alias such as `15min`, `h`, `D`, `W`, `MS`; stamps are floored to this
            grid and several values in one cell are averaged.
        missing: what windows do with missing values. `auto` refuses a series with more than 10 %
            of them, `refuse` any; the panel itself keeps NaN in every case.
        on_duplicate: which of several rows of one series with one stamp counts.
        na: texts that mean "missing", beyond the usual empty, `NA`, `n/a`, `null`, `NaN`.
        skip_constant: leave out series whose values are all equal instead of refusing them.
    """

    time: str | None = None
    no_time: bool = False
    series: str | None = None
    target: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    frequency: str | None = None
    missing: str = "auto"
    on_duplicate: str | None = None
    na: tuple[str, ...] = ()
    skip_constant: bool = False

    def __post_init__(self) -> None:
        for name, fitting in CHOICES.items():
            value = getattr(self, name)
            if value not in fitting:
                words = "|".join(text for text in fitting if text is not None)
                flag = name.replace("_", "-")
                raise OptionError(f'--{flag} "{value}" is not known; what fits is {words}')
        if self.time is not None and self.no_time:
            raise OptionError(f'--time "{self.time}" and --no-time contradict each other')
        if self.frequency is not None and self.no_time:
            raise OptionError("--frequency and --no-time contradict each other")
        if self.frequency is not None and parse_frequency(self.frequency).kind == "row":
            raise OptionError('--frequency "row": rows are numbered with --no-time')


@dataclass(frozen=True)
class Schema:
    """Which columns were read as what, so that another file is read in the same way.

    Args:
        time: the column of dates, or the columns that make one; empty when rows are numbered.
        time_format: how their text is read, see `stamps.py`.
        series: the column that names the series of a long table; None for a wide one.
        target: the forecast column of a long table, every series of a wide one.
        past: covariates known up to now.
        future: covariates known ahead.
        frequency: canonical alias of the grid, `row` when rows are numbered.
        resampled: stamps were floored to the grid and averaged.
        missing: as in `ReadOptions`.
        on_duplicate: as in `ReadOptions`.
        na: as in `ReadOptions`.
    """

    time: tuple[str, ...]
    time_format: str
    series: str | None
    target: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    frequency: str = "row"
    resampled: bool = False
    missing: str = "auto"
    on_duplicate: str | None = None
    na: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a table must have to be read in this way."""
        named = (self.series,) if self.series is not None else ()
        return (*self.time, *named, *self.target, *self.past, *self.future)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain lists, texts and truth values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        """The schema that `to_json` wrote."""
        names = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data.items()
            if name in names
        }
        return cls(**values)
