"""Sequences in an NPZ: arrays one behind the other, with offsets; no pickles.

    X, offsets, y, classes, groups              one part
    X_train, X_train_offsets, y_train, …        several, by their endings; `x_` is as good as `X_`

X is (N, F) with offsets (B + 1,) where each sequence begins, or (B, T, F) without. y holds numbers
of `classes` where there are such, else labels or values, one a sequence or one a step.
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals.npy import MOST_BYTES, read_array
from recurra.data.signals.source import Raw, Source
from recurra.data.table import listed
from recurra.errors import DataError, MissingFileError, OptionError

Array = NDArray[Any]
# What a damaged archive makes its reader raise.
DAMAGE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError)


def read_archive(
    path: Path,
    *,
    part: str | None = None,
    label: str | None = None,
    group: str | None = None,
    time: str | None = None,
    answered: bool = True,
    per_step: bool = False,
    usual: str = "train",
) -> Source:
    """The examples of an archive.

    Args:
        path: of the NPZ.
        part: which of several, such as "train" or "test"; without it X, or else the usual one.
        label: the array of labels or values; without it "y".
        group: the array that says who a sequence comes from; without it "groups", if it is there.
        time: the array of the times of all steps; without it "times", if it is there.
        answered: whether labels or values are needed.
        per_step: whether every step has one.
        usual: the part that is read where none is named; the first where there is no such.

    Raises:
        DataError: an array is missing, damaged, or does not fit the others.
        MissingFileError: there is no such file.
        OptionError: there is no such part.
    """
    arrays = _arrays(path)
    ending, found = _part(arrays, part, usual, path.name)
    x = arrays.get(f"X{ending}", arrays.get(f"x{ending}"))
    if x is None or x.ndim < 2 or x.dtype.kind == "U":
        held = "none" if x is None else f"{x.dtype} {x.shape}"
        raise DataError(f"{path.name}: X{ending} is {held}; it takes numbers (N, F) or (B, T, F)")
    offsets = _offsets(arrays, ending, x, path.name)
    count = len(x) if offsets is None else len(offsets) - 1
    steps = [x[row] if offsets is None else _cut(x, offsets, row) for row in range(count)]
    answers: Sequence[Any] = [None] * count
    if answered:
        named = _answers(arrays, label or "y", ending, path.name)
        answers = _placed(named, [len(one) for one in steps], per_step, offsets, path.name)
    owners = _owners(arrays, group, ending, count, path.name)
    times = _times(arrays, time, ending, steps, path.name)
    raws = [
        Raw(str(row), f"{path.name}: sequence {row}", *given)
        for row, given in enumerate(zip(steps, answers, owners, times, strict=True))
    ]
    kind = "joints" if offsets is not None and x.ndim == 3 else None
    name = f"{path.name}, {found[0]}" if found[0] else path.name
    return Source(name, raws, kind, facts=_facts(found, kind, x))


def parts_of(path: Path) -> tuple[str, ...]:
    """The parts of an archive, such as "train" and "test"; none where it is one whole."""
    return tuple(_endings(_names(path)))


def _facts(found: tuple[str, tuple[str, ...]], kind: str | None, x: Array) -> tuple[str, ...]:
    part, others = found
    facts = []
    if part:
        left = f"; not read: {listed(others)}" if others else ""
        facts.append(f'read: the part "{part}"{left}')
    if kind is not None:
        facts.append(f"steps of {x.shape[1]} × {x.shape[2]} numbers are joints")
    return tuple(facts)


def _cut(x: Array, offsets: Array, row: int) -> Array:
    return x[offsets[row] : offsets[row + 1]]


def _names(path: Path) -> list[str]:
    if path.is_dir() or not path.exists():
        said = "a folder" if path.is_dir() else "no such file"
        raise MissingFileError(f"{path}: {said}; it takes the path of an NPZ")
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except DAMAGE as error:
        raise DataError(f"{path.name}: is no NPZ: {error}") from error


def _arrays(path: Path) -> dict[str, Array]:
    _names(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            whole = sum(member.file_size for member in members)
            if whole > MOST_BYTES:
                raise DataError(
                    f"{path.name}: unpacks to {whole:,} bytes; {MOST_BYTES:,} is the most that is "
                    "read; cut it into several"
                )
            arrays = {}
            for member in members:
                where = f"{path.name}: {member.filename}"
                with archive.open(member) as file:
                    array = read_array(file, member.file_size, where)
                arrays[member.filename.removesuffix(".npy")] = array
            return arrays
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"{path.name}: is a damaged NPZ: {error}") from error


def _endings(names: Sequence[str]) -> list[str]:
    """What stands behind `X_`, where it is no `offsets`."""
    return [
        name[2:]
        for name in names
        if name[:2] in ("X_", "x_") and not name.endswith("offsets") and name[2:]
    ]


def _part(
    arrays: Mapping[str, Array], part: str | None, usual: str, where: str
) -> tuple[str, tuple[str, tuple[str, ...]]]:
    """The ending of the names, and the part with those that are left alone."""
    parts = _endings(list(arrays))
    if part is None and ("X" in arrays or "x" in arrays):
        return "", ("", ())
    if not parts:
        if part is not None and ("X" in arrays or "x" in arrays):
            raise OptionError(f'{where}: --part "{part}": it has no parts')
        raise DataError(f"{where}: holds {listed(arrays)}; it takes X, offsets and y")
    if part is None:
        part = usual if usual in parts else parts[0]
    if part not in parts:
        raise OptionError(f'{where}: --part "{part}": no such part; it has {listed(parts)}')
    return f"_{part}", (part, tuple(other for other in parts if other != part))


def _offsets(arrays: Mapping[str, Array], ending: str, x: Array, where: str) -> Array | None:
    for name in (f"X{ending}_offsets", f"x{ending}_offsets", f"offsets{ending}"):
        if name in arrays:
            return _checked(arrays[name], len(x), f"{where}: {name}")
    if x.ndim < 3:
        raise DataError(
            f"{where}: X{ending} is (N, F) {x.shape}, and no offsets say where sequences begin; "
            f"add X{ending}_offsets (B + 1,)"
        )
    return None


def _checked(offsets: Array, total: int, where: str) -> Array:
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        raise DataError(
            f"{where} is {offsets.dtype} {offsets.shape}; it takes whole numbers (B + 1,)"
        )
    if int(offsets[0]) != 0 or int(offsets[-1]) != total:
        raise DataError(
            f"{where} goes from {offsets[0]} to {offsets[-1]}; it takes 0 to the {total:,} steps"
        )
    places = offsets.astype(np.int64)
    back = np.flatnonzero(np.diff(places) < 0)
    if len(back) or (offsets > total).any():
        first = int(back[0]) if len(back) else 0
        raise DataError(f"{where}: entry {first + 1} is below the one before; offsets grow")
    return places


def _answers(arrays: Mapping[str, Array], name: str, ending: str, where: str) -> list[Any]:
    y = arrays.get(f"{name}{ending}", arrays.get(name))
    if y is None or y.ndim != 1:
        held = "is not there" if y is None else f"is {y.shape}"
        raise DataError(
            f"{where}: {name}{ending} {held}; it takes one label a sequence; --label NAME names "
            f"another array of {listed(arrays)}"
        )
    classes = arrays.get("classes")
    if name != "y" or classes is None or y.dtype.kind not in "iu":
        return list(y.tolist())
    wrong = np.flatnonzero((y < 0) | (y >= len(classes)))
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"{where}: {name}{ending}[{first}] is {y[first]}; there are {len(classes)} classes"
        )
    return [str(classes[number]) for number in y]


def _placed(
    answers: list[Any], lengths: list[int], per_step: bool, offsets: Array | None, where: str
) -> list[Any]:
    """One answer a sequence, or with `per_step` a list of one a step."""
    needed = sum(lengths) if per_step else len(lengths)
    if len(answers) != needed:
        what = "steps" if per_step else "sequences"
        hint = ""
        if not per_step and len(answers) == sum(lengths):
            hint = "; --per-step takes a label a step"
        raise DataError(f"{where}: {needed:,} {what} and {len(answers):,} labels{hint}")
    if not per_step:
        return answers
    edges = np.cumsum([0, *lengths]) if offsets is None else offsets
    return [answers[edges[row] : edges[row + 1]] for row in range(len(lengths))]


def _owners(
    arrays: Mapping[str, Array], group: str | None, ending: str, count: int, where: str
) -> Sequence[Any]:
    name = group or "groups"
    owners = arrays.get(f"{name}{ending}", arrays.get(name))
    if owners is None and group is None:
        return [None] * count
    if owners is None or owners.shape != (count,):
        held = "is not there" if owners is None else f"is {owners.shape}"
        raise DataError(
            f"{where}: {name}{ending} {held}; --group takes an array of one name a sequence, "
            f"({count},); there are {listed(arrays)}"
        )
    return list(owners.tolist())


def _times(
    arrays: Mapping[str, Array], time: str | None, ending: str, steps: Sequence[Array], where: str
) -> Sequence[Any]:
    """The times of each sequence's steps."""
    name = time or "times"
    times = arrays.get(f"{name}{ending}", arrays.get(name))
    if times is None and time is None:
        return [None] * len(steps)
    edges = np.cumsum([0, *(len(one) for one in steps)])
    if times is None or times.shape != (edges[-1],) or times.dtype.kind not in "iuf":
        held = "is not there" if times is None else f"is {times.dtype} {times.shape}"
        raise DataError(
            f"{where}: {name}{ending} {held}; --time takes an array of one number a step, "
            f"({edges[-1]},); there are {listed(arrays)}"
        )
    parts = [times[begin:end].astype(np.float64) for begin, end in pairwise(edges)]
    for row, part in enumerate(parts):
        if not (np.diff(part) > 0).all() or not np.isfinite(part).all():
            raise DataError(
                f"{where}: {name}{ending} of sequence {row} does not grow from step to step; "
                "times do, and none is missing"
            )
    return parts
