"""Texts and their labels, from a file, a frame or lists: which column is what, and what is missing.

A column is taken for what its name says; where no name tells, labels are the one column of few
distinct values, and texts the column with the longest cells that is left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from recurra.data.records import Records, read_records, read_text
from recurra.data.table import listed, read_table, shown
from recurra.errors import DataError, OptionError

LABEL_NAMES = ("label", "labels", "class", "target", "sentiment", "category", "polarity", "y")
TEXT_NAMES = (
    *("text", "texts", "sentence", "review", "comment", "message", "content", "document", "tweet"),
    *("body", "title", "x"),
)
MISSING = ("refuse", "drop")
# Distinct values that a column of labels has at most, and rows that each of them has on average.
MOST_CLASSES, FEWEST_ROWS = 1000, 2
# Words in a header's field beyond which it is no name but a text.
MOST_NAME_WORDS = 5


@dataclass(frozen=True)
class LabelOptions:
    """What the user says about a file of texts; whatever is left out is found.

    Args:
        text: the column of texts.
        label: the column of labels.
        missing: what a row without a text or a label does: "refuse", or "drop" it.
        errors: what bytes that are no UTF-8 do: "strict" or "replace".
    """

    text: str | None = None
    label: str | None = None
    missing: str = "refuse"
    errors: str = "strict"

    def __post_init__(self) -> None:
        if self.missing not in MISSING:
            raise OptionError(f'--missing is "{self.missing}"; what fits is {" or ".join(MISSING)}')
        if self.text is not None and self.text == self.label:
            raise OptionError(f'--text and --label are both "{self.text}"; they differ')


@dataclass(frozen=True)
class Labelled:
    """Texts, with a label each where they were asked for.

    Args:
        name: the file's, or what was given.
        texts: one a row.
        labels: one a text; empty where only texts were asked for.
        text: the column that they stood in; None for lists.
        label: that of the labels.
        facts: what was found, a line each.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    text: str | None = None
    label: str | None = None
    facts: tuple[str, ...] = ()


def read_labelled(source: object, options: LabelOptions | None = None) -> Labelled:
    """Read texts and their labels.

    Args:
        source: the path of a CSV, TSV or JSONL; a pandas or polars frame; or a pair of lists, of
            texts and of labels.
        options: what the user says about it.

    Raises:
        DataError: something does not fit; the message says where, and which option mends it.
        OptionError: an option does not fit.
        MissingFileError: there is no such file.
    """
    options = options or LabelOptions()
    if isinstance(source, tuple | list):
        return _complete(_pair(source), None, None, options)
    records = _records(source, options)
    label = _named(records, "label", options.label) or _find_label(records, options)
    text = _named(records, "text", options.text) or _find_text(records, label)
    if label == text:
        raise OptionError(f'{records.name}: column "{text}" cannot be both text and label')
    return _complete(records, text, label, options)


def read_texts(source: object, options: LabelOptions | None = None) -> Labelled:
    """Read texts alone; one may be empty.

    Args:
        source: as in `read_labelled`; or a text a line in a .txt, or a list of texts.
        options: what the user says about it; `text` may name a column that is not there, where
            there is but one.
    """
    options = options or LabelOptions()
    if isinstance(source, list | tuple | np.ndarray):
        texts = [_text("the list", place, cell) for place, cell in enumerate(source)]
        if not texts:
            raise DataError("the list: no texts; it takes one or more")
        return Labelled("the list", tuple(texts))
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".txt":
        text, _ = read_text(Path(source), options.errors)
        return Labelled(Path(source).name, tuple(text.splitlines()))
    records = _records(source, options)
    only = list(records.columns) if len(records.columns) == 1 else []
    known = options.text in records.columns or not only
    name = (_named(records, "text", options.text) if known else only[0]) or _find_text(records, "")
    cells = ["" if _is_missing(cell) else cell for cell in records.columns[name]]
    texts = [_text(records.name, records.lines[place], cell) for place, cell in enumerate(cells)]
    return Labelled(records.name, tuple(texts), text=name)


def check_classes(found: Labelled) -> None:
    """Refuse what no classes can be learned from.

    Raises:
        DataError: there is one class alone, or nearly as many as texts.
    """
    classes = set(found.labels)
    where = found.name if found.label is None else f'{found.name}: column "{found.label}"'
    if len(classes) < 2:
        held = f"one class alone, {shown(found.labels[0])}" if classes else "no label at all"
        raise DataError(f"{where} has {held}; it takes two or more, or another --label COLUMN")
    if len(classes) > MOST_CLASSES or (len(classes) > 2 and len(classes) == len(found.labels)):
        raise DataError(
            f"{where} has {len(classes)} different labels in {len(found.labels)} rows; it takes at "
            f"most {MOST_CLASSES}, each on several rows; --label COLUMN names another column"
        )


def _records(source: object, options: LabelOptions) -> Records:
    if isinstance(source, str | Path):
        path = Path(source)
        if ".parquet" not in path.suffixes:
            return read_records(path, options.errors)
    table = read_table(source)
    columns = {name: table.frame[name].astype("object").tolist() for name in table.frame.columns}
    return Records(table.name, columns, list(range(len(table.frame))))


def _pair(source: Sequence[Any]) -> Records:
    """Two lists, as a file with two columns."""
    if len(source) != 2 or any(isinstance(part, str) for part in source):
        raise DataError(
            f"texts and labels are a pair of lists, a path or a frame; got a "
            f"{type(source).__name__} of {len(source)}"
        )
    texts, labels = ([*part] for part in source)
    if len(texts) != len(labels) or not texts:
        raise DataError(f"{len(texts)} texts and {len(labels)} labels; it takes a label a text")
    return Records("the lists", {"text": texts, "label": labels}, list(range(len(texts))))


def _named(records: Records, role: str, name: str | None) -> str | None:
    """The column that an option names, checked."""
    if name is None or name in records.columns:
        return name
    near = get_close_matches(name, list(records.columns), n=3)
    hint = f"near: {listed(near)}" if near else f"columns: {listed(records.columns)}"
    raise OptionError(f'{records.name}: --{role} "{name}": no such column; {hint}')


def _find_label(records: Records, options: LabelOptions) -> str:
    names = [name for name in records.columns if name != options.text]
    for known in LABEL_NAMES:
        for name in names:
            if name.lower() == known:
                return name
    fitting = [name for name in names if _may_be_labels(records.columns[name])]
    if len(fitting) == 1:
        if fitting[0] in map(str, records.columns[fitting[0]]):
            raise DataError(
                f"{records.name}: the first row holds values; a header with the columns' names is "
                "needed, such as text and label"
            )
        return fitting[0]
    found = f"each of {listed(fitting)} could be" if fitting else "none looks like"
    raise DataError(
        f"{records.name}: columns {listed(records.columns)}: {found} the label; say which with "
        "--label COLUMN"
    )


def _may_be_labels(cells: Sequence[Any]) -> bool:
    """Few distinct values, each of them short."""
    told = [str(cell) for cell in cells if not _is_missing(cell)]
    distinct = set(told)
    most = min(MOST_CLASSES, len(told) // FEWEST_ROWS)
    return 1 < len(distinct) <= most and all(len(value.split()) <= 4 for value in distinct)


def _find_text(records: Records, label: str) -> str:
    names = [name for name in records.columns if name != label]
    for known in TEXT_NAMES:
        for name in names:
            if name.lower() == known:
                return name
    texts = {
        name: sum(len(cell) for cell in records.columns[name] if isinstance(cell, str))
        for name in names
    }
    best = max(texts, key=lambda name: texts[name], default=None)
    if best is None or not texts[best]:
        raise DataError(
            f"{records.name}: no column of texts beside the label; columns: "
            f"{listed(records.columns)}; say which with --text COLUMN"
        )
    if len(best.split()) > MOST_NAME_WORDS:
        raise DataError(
            f"{records.name}: the first row holds values ({shown(best)}); a header with the "
            "columns' names is needed, such as text and label"
        )
    return best


def _complete(
    records: Records, text: str | None, label: str | None, options: LabelOptions
) -> Labelled:
    """The rows that have both, as texts."""
    name = records.name
    texts, labels = records.columns[text or "text"], records.columns[label or "label"]
    holes = {
        "text": np.array([_is_missing(cell) for cell in texts], bool),
        "label": np.array([_is_missing(cell) for cell in labels], bool),
    }
    facts = []
    for role, lacks in holes.items():
        if lacks.any():
            count, first = int(lacks.sum()), records.lines[int(np.argmax(lacks))]
            said = f"{count} of {len(lacks)} rows have no {role}, row {first} the first"
            if options.missing == "refuse":
                raise DataError(f"{name}: {said}; fill it in, or --missing drop leaves them out")
            facts.append(f"{said}: left out")
    keep = np.flatnonzero(~(holes["text"] | holes["label"]))
    kept = tuple(_text(name, records.lines[row], texts[row]) for row in keep)
    told = tuple(_label(name, records.lines[row], labels[row]) for row in keep)
    if records.replaced:
        facts.append(f"{records.replaced} places that were no UTF-8 are � now")
    where = f'; text from "{text}", label from "{label}"' if text is not None else ""
    fact = f"{name}: {len(kept):,} texts of {len(set(told))} classes{where}"
    return Labelled(name, kept, told, text, label, (fact, *facts))


def _is_missing(cell: Any) -> bool:
    """Nothing there, or blanks alone; words such as NA are labels like others."""
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell) == "<NA>"


def _text(name: str, row: int, cell: Any) -> str:
    if not isinstance(cell, str):
        raise DataError(f"{name}: row {row}: {shown(cell)} is a {type(cell).__name__}, not a text")
    return cell


def _label(name: str, row: int, cell: Any) -> str:
    """A label as text, the same whether it came from a frame or from a file."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, str | int | float | np.integer | np.bool_):
        return str(cell).strip()
    raise DataError(f"{name}: row {row}: {shown(cell)} is a {type(cell).__name__}, not a label")
