"""Sequences in a folder: a file each (or several in one), in folders named by their labels.

    walk/3.csv  run/1.csv             the folder's name is the label
    3.csv  1.csv  labels.csv          labels apart, by the name of the file

No link out of the folder is followed, and no path from a table of labels is opened.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from recurra.data.signals.number_file import ending_of
from recurra.data.signals.source import enumerated
from recurra.errors import DataError, MissingFileError

LABEL_FILES = ("labels.csv", "labels.tsv")


class Entry(NamedTuple):
    """A file of a folder: its path below it, where it lies, and its label if a folder is one."""

    name: str
    path: Path
    label: str | None


def read_folder(folder: Path) -> tuple[list[Entry], Path | None]:
    """The files of a folder in the order of their names, and a table of labels where one is there.

    Raises:
        DataError: there is none, files stand in both places, or something leads out of it.
        MissingFileError: there is no such folder.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder")
    root = folder.resolve()
    inside = _listed(folder, root, folder)
    apart = next((path for path in inside if path.name.lower() in LABEL_FILES), None)
    files = [path for path in inside if path.is_file() and path != apart]
    folders = [path for path in inside if path.is_dir()]
    entries = [Entry(path.name, path, None) for path in files]
    for one in folders:
        within = _listed(one, root, folder)
        deeper = [path for path in within if path.is_dir()]
        if deeper:
            raise DataError(
                f"{folder}: {deeper[0].relative_to(folder)} is a folder inside that of a label; it "
                f"takes label/file, such as in {one}"
            )
        if not within and apart is None:
            raise DataError(f"{folder}: {one.name} is empty: a label without an example")
        label = one.name if apart is None else None
        entries += [Entry(f"{one.name}/{path.name}", path, label) for path in within]
    if not entries:
        raise DataError(f"{folder}: holds no file; it takes label/file, or files and labels.csv")
    return entries, apart


def _listed(place: Path, root: Path, folder: Path) -> list[Path]:
    """What lies in a folder, hidden files left out; all of it has to lie within the root."""
    try:
        paths = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise DataError(
                f"{folder}: {path.relative_to(folder)} leads out of the folder; put the file there "
                "itself"
            )
    return paths


def of_kind(
    entries: Sequence[Entry], endings: Sequence[str], folder: Path
) -> tuple[list[Entry], tuple[str, ...]]:
    """The files with one of some endings, and what is to be said of the others.

    Raises:
        DataError: none has one.
    """
    fitting = [entry for entry in entries if ending_of(entry.path) in endings]
    if not fitting:
        counts = Counter(ending_of(entry.path) for entry in entries)
        held = ", ".join(f"{count:,} {ending or 'bare'}" for ending, count in counts.items())
        raise DataError(f"{folder}: no file ends in {', '.join(endings)}; it holds {held}")
    others = [entry.name for entry in entries if entry not in fitting]
    loose = [entry.name for entry in fitting if entry.label is None]
    if loose and len(loose) < len(fitting):
        raise DataError(
            f"{folder}: {enumerated(loose)} without a label, beside folders named by labels; put "
            "them into one, or name all labels in labels.csv"
        )
    return fitting, (f"not read: {enumerated(others)}",) if others else ()
