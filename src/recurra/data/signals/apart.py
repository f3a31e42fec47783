"""Labels that stand apart from their sequences: a table with a name and a label a row."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurra.data.labelled import LABEL_NAMES as NAMES
from recurra.data.signals.answers import as_label, is_missing
from recurra.data.signals.number_file import stem_of
from recurra.data.signals.source import Raw, enumerated
from recurra.data.table import Table, listed, read_table
from recurra.errors import DataError, OptionError

ID_NAMES = (
    *("id", "ids", "unique_id", "sequence_id", "series_id", "series", "name", "file", "filename"),
    *("path", "record", "case", "unit", "subject_id", "recording", "sample"),
)


@dataclass(frozen=True)
class Apart:
    """Labels by the names of their sequences.

    Args:
        name: of the table.
        answers: by name.
        groups: by name, where a column of them was asked for.
    """

    name: str
    answers: Mapping[str, Any]
    groups: Mapping[str, Any]


def read_apart(path: Path, id_: str | None, label: str | None, group: str | None) -> Apart:
    """Read a table of labels.

    Args:
        path: of a CSV, TSV or Parquet.
        id_: the column of names; found by its name, else the first.
        label: that of labels; found by its name, else the only one left.
        group: that says who a sequence comes from.

    Raises:
        DataError: a name comes twice, is missing, or no column is clear.
        OptionError: a column that is named is not there.
    """
    table = read_table(path)
    check_named(table, label=label, group=group)
    columns = list(table.frame.columns)
    key = id_ if id_ in columns else _key(columns, label)
    rest = [name for name in columns if name not in (key, group)]
    label = label or _label(table, rest)
    answers: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for row, cell in enumerate(table.frame[key].tolist()):
        name = as_label(cell, f"{table.name}: row {table.row(row)}", "name")
        if name in answers:
            raise DataError(f'{table.name}: "{name}" stands in two rows; it takes one each')
        answers[name] = table.frame[label].iloc[row]
        if group is not None:
            groups[name] = table.frame[group].iloc[row]
    return Apart(table.name, answers, groups)


def check_named(table: Table, **named: str | None) -> None:
    """Refuse columns that are not there.

    Raises:
        OptionError: names the option and the columns.
    """
    for option, name in named.items():
        if name is not None and name not in table.frame.columns:
            raise OptionError(
                f'{table.name}: --{option} "{name}": no such column; columns: '
                f"{listed(table.frame.columns)}"
            )


def named_like(columns: list[str], names: tuple[str, ...]) -> str | None:
    """The column that is called as the first of some names that any is called."""
    small = {column.lower(): column for column in reversed(columns)}
    return next((small[name] for name in names if name in small), None)


def _key(columns: list[str], label: str | None) -> str:
    free = [name for name in columns if name != label]
    return named_like(free, ID_NAMES) or free[0]


def _label(table: Table, columns: list[str]) -> str:
    named = named_like(columns, NAMES)
    if named is None and len(columns) != 1:
        raise DataError(
            f"{table.name}: columns {listed(table.frame.columns)}: none is clearly the label; say "
            "which with --label COLUMN"
        )
    return named or columns[0]


def match(raws: list[Raw], apart: Apart, name: str, skipped: Set[str]) -> list[Raw]:
    """Give each example its answer.

    Args:
        raws: the examples.
        apart: the answers.
        name: where the examples come from, for messages.
        skipped: names of files that could not be read: their answers are not missed.

    Raises:
        DataError: an example has no answer, or an answer no example.
    """
    keys = {raw.name: _found(raw.name, apart.answers) for raw in raws}
    lacking = [raw for raw, key in keys.items() if key is None]
    if lacking:
        raise DataError(f"{apart.name}: no label for {enumerated(lacking)} of {name}; add it there")
    used = {*keys.values(), *(_found(raw, apart.answers) for raw in skipped)}
    spare = [key for key in apart.answers if key not in used]
    if spare:
        raise DataError(
            f"{apart.name}: labels for {enumerated(spare)}, and no such example in {name}; take "
            "them out, or add the examples"
        )
    return [
        raw._replace(answer=apart.answers[key], group=apart.groups.get(key))
        for raw in raws
        if (key := keys[raw.name]) is not None
    ]


def _found(name: str, answers: Mapping[str, Any]) -> str | None:
    """An example is called by its path below the folder, by its file's name, or its stem."""
    path = Path(name)
    options = (name, path.name, stem_of(path))
    return next((key for key in options if key in answers and not is_missing(key)), None)
