"""Which column of a table of sequences is what: found by name where nobody says."""

from collections.abc import Sequence
from dataclasses import dataclass

from recurra.data.signals.apart import ID_NAMES, check_named, named_like
from recurra.data.signals.header import Header
from recurra.data.table import Table, listed
from recurra.errors import DataError, OptionError

LABEL_NAMES = ("label", "labels", "class", "target", "category", "activity", "rul")
TIME_NAMES = (
    *("time", "t", "timestamp", "datetime", "date", "ds", "step", "cycle", "frame"),
    *("time_step", "timestep"),
)


@dataclass(frozen=True)
class Columns:
    """What the user says about the columns; whatever is left out is found.

    Args:
        id: names the sequences.
        time: when each step was.
        features: the channels.
        label: labels or values.
        group: who a sequence comes from.
        answered: whether labels or values are looked for.
        per_step: whether every step has one.
        alone: the table is one sequence, whatever its columns are called.
    """

    id: str | None = None
    time: str | None = None
    features: tuple[str, ...] = ()
    label: str | None = None
    group: str | None = None
    answered: bool = True
    per_step: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Found:
    """The columns that were found, and those that are of no use."""

    id: str | None
    time: str | None
    features: tuple[str, ...]
    label: str | None
    group: str | None
    unused: tuple[str, ...] = ()


def find_columns(table: Table, wish: Columns, known: Header | None, single: bool) -> Found:
    """The columns of a long table.

    Args:
        table: a row a step.
        wish: what the user says.
        known: of a model: its channels are the features.
        single: the table may be one sequence, without a column of names.

    Raises:
        DataError: no column names the sequences, or one that the model knows is missing.
        OptionError: a column that was named is not there, or is two things at once.
    """
    _check(table, wish)
    fixed = known.channels if known is not None else wish.features
    missing = [name for name in fixed if name not in table.frame.columns]
    if missing:
        raise DataError(
            f"{table.name}: the model learned from the columns {listed(fixed)}; missing "
            f"{listed(missing)}; the table has {listed(table.frame.columns)}"
        )
    free = [name for name in table.frame.columns if name not in {*_named(wish), *fixed}]
    id_ = wish.id or (None if wish.alone else named_like(free, ID_NAMES))
    if id_ is None and not (single or wish.alone):
        raise DataError(
            f"{table.name}: columns {listed(table.frame.columns)}: none names the sequences; say "
            "which with --id COLUMN"
        )
    free = [name for name in free if name != id_]
    label = wish.label or find_label(free)
    free = [name for name in free if name != label]
    time = wish.time or named_like(free, TIME_NAMES)
    rest = tuple(name for name in free if name != time)
    features = tuple(fixed) or rest
    if not features:
        raise DataError(f"{table.name}: no column is left for the channels; --features names them")
    unused = rest if fixed else ()
    return Found(id_, time, features, label if wish.answered else None, wish.group, unused)


def find_label(names: Sequence[str]) -> str | None:
    """The column that is called like a label; "y" is one where no "x" stands beside it."""
    plain = () if {"x", "X"} & set(names) else ("y",)
    return named_like(list(names), (*LABEL_NAMES, *plain))


def _named(wish: Columns) -> list[str]:
    return [name for name in (wish.id, wish.time, wish.label, wish.group) if name is not None]


def _check(table: Table, wish: Columns) -> None:
    label = wish.label if wish.answered else None
    check_named(table, id=wish.id, time=wish.time, label=label, group=wish.group)
    for name in wish.features:
        check_named(table, features=name)
    named = [*_named(wish), *wish.features]
    twice = [name for place, name in enumerate(named) if name in named[:place] and name != wish.id]
    if twice and twice[0] != wish.group:
        raise OptionError(f'{table.name}: column "{twice[0]}" is named by two options')


def label_missing(table: Table, features: Sequence[str]) -> DataError:
    """No column is clearly the label."""
    return DataError(
        f"{table.name}: columns {listed(features)}: none is clearly the label; say which with "
        "--label COLUMN, or --labels FILE where labels stand apart"
    )
