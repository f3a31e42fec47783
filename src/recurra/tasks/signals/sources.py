"""Which reader takes what was given, and which front end turns it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recurra.data.signals import Header, Raw, Source, read_archive, read_arrays
from recurra.data.signals.arrays import beside
from recurra.data.signals.columns import Columns
from recurra.data.signals.folder import of_kind, read_folder
from recurra.data.signals.number_file import ending_of, has_header, stem_of
from recurra.data.signals.table import letters_in, read_letters, read_long
from recurra.data.table import Table, listed, read_table
from recurra.errors import DataError, MissingFileError, OptionError
from recurra.tasks.signals.fronts import FRONTS, Front

if TYPE_CHECKING:
    from recurra.tasks.signals.reading import Reading

TABLES = (".csv", ".tsv", ".tab", ".parquet", ".pq")
# Front ends whose steps are numbers of a table.
TABULAR = ("numbers", "strokes", "joints")

Opened = tuple[Source, Front, Path | None]


def make_front(kind: str, options: Mapping[str, Any]) -> Front:
    """A front end by its kind.

    Raises:
        OptionError: it has no such option, or the option another value.
    """
    known = [field.name for field in fields(FRONTS[kind])]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            fits = f"it takes {listed(known)}" if known else "it takes none"
            raise OptionError(f"{kind}: --{name.replace('_', '-')} is no option of it; {fits}")
    return FRONTS[kind](**options)


def open_source(data: Any, reading: "Reading", front: Front | None, known: Header | None) -> Opened:
    """The examples of what was given, the front end that fits, and labels found apart.

    Raises:
        DataError: nothing reads it.
        MissingFileError: there is no such file.
    """
    if isinstance(data, str | Path):
        return _open_path(Path(data), reading, front, known)
    if isinstance(data, tuple | list | np.ndarray):
        return _open_arrays(data, reading, front, known)
    return _open_table(read_table(data, reading.na), reading, front, known)


def _chosen(reading: "Reading", front: Front | None, found: str) -> Front:
    """The run's, the one asked for, or the one found."""
    if front is not None:
        return front
    return make_front(found if reading.kind == "auto" else reading.kind, reading.options)


def _open_arrays(
    data: Any, reading: "Reading", front: Front | None, known: Header | None
) -> Opened:
    given = data if isinstance(data, tuple) else (data,)
    if not 1 <= len(given) <= 3:
        raise DataError(f"the arrays: a tuple of {len(given)}; it takes (X, y) or (X, y, groups)")
    if not isinstance(given[0], list | tuple | np.ndarray):
        return _open_frame(given, reading, front, known)
    x, y, groups = (*given, None, None)[:3]
    source = read_arrays(
        x, None if reading.answers is None else y, groups, per_step=reading.per_step
    )
    if not all(isinstance(raw.steps, str | Path) for raw in source.raws):
        return source, _chosen(reading, front, "numbers"), None
    return _open_texts(source, reading, front)


def _open_texts(source: Source, reading: "Reading", front: Front | None) -> Opened:
    """A list of paths, or of letters."""
    paths = [Path(raw.steps) for raw in source.raws]
    known = {ending for one in FRONTS.values() for ending in one.endings}
    named = all(ending_of(path) in known for path in paths)
    front = _chosen(reading, front, _kind_of(paths) if named else "dna")
    if not named:
        return source, front, None
    raws = [
        raw._replace(steps=path, where=str(path), name=str(path))
        for raw, path in zip(source.raws, paths, strict=True)
    ]
    return Source("the files", raws), front, None


def _open_frame(
    data: tuple[Any, ...], reading: "Reading", front: Front | None, known: Header | None
) -> Opened:
    """A frame of features, with answers and groups in the order of its sequences."""
    x, y, groups = (*data, None, None)[:3]
    if y is None and groups is None:
        return _open_table(read_table(x, reading.na), reading, front, known)
    bare = replace(reading, answers=None, group=None)
    source, front, _ = _open_table(read_table(x, reading.na), bare, front, known)
    answers = beside(y if reading.answers else None, len(source.raws), source.name, "labels")
    owners = beside(groups, len(source.raws), source.name, "groups")
    raws = [
        raw._replace(answer=answer, group=owner)
        for raw, answer, owner in zip(source.raws, answers, owners, strict=True)
    ]
    return replace(source, raws=raws), front, None


def _open_table(
    table: Table, reading: "Reading", front: Front | None, known: Header | None
) -> Opened:
    wish = Columns(
        reading.id,
        reading.time,
        reading.features,
        reading.label,
        None if reading.answers is None else reading.group,
        reading.answers is not None and reading.labels is None,
        reading.per_step,
    )
    kind = front.kind if front is not None else reading.kind
    if kind not in (*TABULAR, "dna", "auto"):
        raise DataError(f"{table.name}: a table of numbers; {kind} does not come from one")
    letters = letters_in(table, wish, certain=kind == "dna") if kind in ("dna", "auto") else None
    if kind == "dna" or letters is not None:
        return read_letters(table, letters, wish), _chosen(reading, front, "dna"), None
    front = _chosen(reading, front, "numbers")
    names = known if front.kind == "numbers" else None
    single = reading.answers is None or reading.per_step
    return read_long(table, wish, names, single=single), front, None


def _open_path(path: Path, reading: "Reading", front: Front | None, known: Header | None) -> Opened:
    if not path.exists():
        raise MissingFileError(f"{path}: no such file or folder")
    if path.is_dir():
        return _open_folder(path, reading, front)
    ending = ending_of(path)
    if ending == ".npz":
        source = read_archive(
            path,
            part=reading.part,
            label=reading.label,
            group=None if reading.answers is None else reading.group,
            time=reading.time,
            answered=reading.answers is not None and reading.labels is None,
            per_step=reading.per_step,
            usual=reading.usual,
        )
        return source, _chosen(reading, front, source.kind or "numbers"), None
    if ending in TABLES and (ending not in (".csv", ".tsv") or has_header(path)):
        return _open_table(read_table(path, reading.na), reading, front, known)
    front = _chosen(reading, front, _kind_of([path]))
    if ending not in front.endings:
        raise DataError(f"{path}: {front.kind} reads {', '.join(front.endings)}")
    return Source(path.name, [Raw(stem_of(path), str(path), path)]), front, None


def _open_folder(folder: Path, reading: "Reading", front: Front | None) -> Opened:
    entries, apart = read_folder(folder)
    kind = front.kind if front is not None else reading.kind
    if kind == "auto":
        kind = _kind_of([entry.path for entry in entries])
    front = _chosen(reading, front, kind)
    fitting, facts = of_kind(entries, front.endings, folder)
    raws = [Raw(entry.name, str(entry.path), entry.path, entry.label) for entry in fitting]
    return Source(folder.name, raws, kind, facts=facts), front, apart


def _kind_of(paths: Sequence[Path]) -> str:
    """The front end that reads all files that any reads.

    Raises:
        DataError: there is none, or several are needed.
    """
    kinds: dict[str, Path] = {}
    for path in paths:
        ending = ending_of(path)
        kind = next((name for name, front in FRONTS.items() if ending in front.endings), None)
        if kind is not None:
            kinds.setdefault(kind, path)
    if not kinds:
        endings = [ending for front in FRONTS.values() for ending in front.endings]
        raise DataError(f"{paths[0]}: no front end reads it; it takes {listed(endings, 20)}")
    if len(kinds) > 1:
        said = " and ".join(f"{kind} ({path.name})" for kind, path in kinds.items())
        raise DataError(
            f"{paths[0].parent}: files of several kinds: {said}; --kind says which are read"
        )
    return next(iter(kinds))


def raws_of(raw: Raw, front: Front, reading: "Reading") -> list[Raw]:
    """One example, or those of its file.

    Raises:
        DataError: the file cannot be read.
    """
    if not isinstance(raw.steps, Path):
        return [raw]
    found = []
    for name, held in front.read(raw.steps):
        one = _record(raw, name, reading) if front.several else raw
        found.append(
            _columns(one, held, reading) if isinstance(held, Table) else one._replace(steps=held)
        )
    return found


def _record(raw: Raw, name: str, reading: "Reading") -> Raw:
    """One of several in a file; behind its name a label may stand."""
    own, _, label = name.partition(" ")
    answer = raw.answer
    if answer is None and reading.answers is not None and reading.labels is None:
        answer = label.strip() or None
    return raw._replace(name=own, where=f"{raw.where}: {own}", answer=answer)


def _columns(raw: Raw, table: Table, reading: "Reading") -> Raw:
    """A file with a header: its columns."""
    label = reading.label if reading.per_step else None
    wish = Columns(
        None, reading.time, reading.features, label, None, reading.per_step, reading.per_step, True
    )
    held = read_long(table, wish).raws[0]
    answer = held.answer if reading.per_step else raw.answer
    return raw._replace(steps=held.steps, answer=answer, times=held.times, channels=held.channels)
