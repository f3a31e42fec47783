"""Texts and what each becomes: two files of as many lines, or one with two columns between tabs.

    train.en train.de     line n of the second is what line n of the first becomes
    dates.tsv             a pair a line: the source, one tab, the target; quotes are letters

Each may be packed by gzip. Texts stay as they stand: they are not normalised, and what is written
as one code point in one file and as two in the other is not the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from recurra.data.text import Text, lines
from recurra.errors import DataError, OptionError

UNFIT = ("refuse", "drop")
# Characters of a text, where nothing is said.
MOST_LENGTH = 2000
# Of a text in a message.
SHOWN = 40


@dataclass(frozen=True)
class Pairs:
    """Texts, and what each of them becomes.

    Args:
        sources: to be read.
        targets: one for each.
        name: the files', or what was given.
        facts: what was found, a line each.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    name: str
    facts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def part(self, begin: int, end: int) -> "Pairs":
        """The pairs from `begin` to before `end`; no facts."""
        return Pairs(self.sources[begin:end], self.targets[begin:end], self.name)

    def hash(self) -> str:
        """Of all texts: the same for files and for the pairs read from them."""
        digest = hashlib.sha256()
        for text in (*self.sources, *self.targets):
            # A length before each text: no two lists of texts look alike.
            digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def read_pairs(
    source: str | PathLike[str] | Sequence[Any],
    *,
    max_length: int = MOST_LENGTH,
    unfit: str = "refuse",
    errors: str = "strict",
) -> Pairs:
    """Read texts and what each becomes.

    Args:
        source: two paths of parallel files; one path, alone or in a list, of a file with two
            columns; or a list of pairs of texts.
        max_length: characters of a text at most.
        unfit: what a pair does that has a blank side, or one longer than `max_length`: "refuse", or
            "drop" it.
        errors: what bytes that are no UTF-8 do: "strict", or "replace", which puts U+FFFD there.

    Raises:
        DataError: something does not fit; the message says where, and which option mends it.
        OptionError: an option does not fit.
        MissingFileError: there is no such file.
    """
    if unfit not in UNFIT:
        raise OptionError(f'--unfit is "{unfit}"; what fits is {" or ".join(UNFIT)}')
    if max_length < 1:
        raise OptionError(f"--max-length is {max_length}; it is at least 1 character")
    if isinstance(source, str | PathLike):
        found = _columns(Path(source), errors)
    elif all(isinstance(each, str | PathLike) for each in source):
        found = _files([Path(each) for each in source], errors)
    else:
        found = _listed(source)
    return _fitting(found, max_length, unfit)


def read_lines(path: str | PathLike[str], errors: str = "strict") -> list[str]:
    """The lines of a text file, blank ones too.

    Raises:
        DataError: it is empty, damaged, binary or no UTF-8.
        MissingFileError: there is no such file.
    """
    return list(lines(Text(path, errors)))


@dataclass(frozen=True)
class _Found:
    """Pairs as they came.

    Args:
        row: what a pair is called in messages, such as "line"; the first has number `first`.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    name: str
    row: str = "line"
    first: int = 1


def _files(paths: Sequence[Path], errors: str) -> _Found:
    if len(paths) == 1:
        return _columns(paths[0], errors)
    if len(paths) != 2:
        raise DataError(
            f"{len(paths)} files; it takes two of as many lines, or one with two columns between "
            "tabs"
        )
    sides = [read_lines(path, errors) for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise DataError(_uneven(paths, sides))
    return _Found(sides[0], sides[1], ", ".join(map(str, paths)))


def _uneven(paths: Sequence[Path], sides: Sequence[list[str]]) -> str:
    blank = [
        f"; {path}: line {number} is blank, which may be the cause"
        for path, side in zip(paths, sides, strict=True)
        for number, text in enumerate(side, start=1)
        if not text.strip()
    ]
    counts = [
        f"{path}: {len(side):,} line{'s' * (len(side) != 1)}"
        for path, side in zip(paths, sides, strict=True)
    ]
    return f"{', '.join(counts)}; line n of one belongs to line n of the other{''.join(blank[:1])}"


def _columns(path: Path, errors: str) -> _Found:
    rows = [line.split("\t") for line in read_lines(path, errors)]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 and "".join(row).strip():
            raise DataError(
                f"{path}: line {number} has {len(row)} column{'s' * (len(row) != 1)}, "
                f"{_shown(row[0])} the first; it takes two between a tab, or two files of as many "
                "lines"
            )
    return _Found([row[0] for row in rows], [row[-1] for row in rows], str(path))


def _listed(source: Sequence[Any]) -> _Found:
    name = f"the {type(source).__name__}"
    for number, pair in enumerate(source):
        fits = isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2
        if not fits or not all(isinstance(text, str) for text in pair):
            raise DataError(f"{name}: pair {number} is a {_kind(pair)}; it takes two texts")
    sources, targets = [pair[0] for pair in source], [pair[1] for pair in source]
    return _Found(sources, targets, name, "pair", 0)


def _fitting(found: _Found, max_length: int, unfit: str) -> Pairs:
    """The pairs that can be learned from."""
    pairs = list(zip(found.sources, found.targets, strict=True))
    blank = [n for n, pair in enumerate(pairs) if not all(text.strip() for text in pair)]
    out = set(blank)
    long = [n for n, pair in enumerate(pairs) if max(map(len, pair)) > max_length and n not in out]
    out.update(long)
    told = [*_told_blank(found, blank), *_told_long(found, long, max_length)]
    if told and unfit == "refuse":
        mend = "--max-length N takes longer ones" if long else "fill them in"
        raise DataError(f"{found.name}: {'; '.join(told)}; {mend}, or --unfit drop leaves them out")
    kept = [pair for n, pair in enumerate(pairs) if n not in out]
    if not kept:
        raise DataError(f"{found.name}: no pair that fits; it takes texts and what each becomes")
    sources, targets = zip(*kept, strict=True)
    facts = (f"{found.name}: {len(kept):,} pairs", *(f"{each}: left out" for each in told))
    return Pairs(sources, targets, found.name, facts)


def _told_blank(found: _Found, blank: Sequence[int]) -> list[str]:
    if not blank:
        return []
    said = f"{len(blank):,} of {len(found.sources):,} pairs have a blank side"
    return [f"{said}, {found.row} {found.first + blank[0]} the first"]


def _told_long(found: _Found, long: Sequence[int], max_length: int) -> list[str]:
    if not long:
        return []
    said = f"{len(long):,} of {len(found.sources):,} pairs are longer than {max_length} characters"
    length = max(len(found.sources[long[0]]), len(found.targets[long[0]]))
    return [f"{said}, {found.row} {found.first + long[0]} the first with {length}"]


def _kind(pair: object) -> str:
    if isinstance(pair, Sequence) and not isinstance(pair, str):
        inside = ", ".join(type(each).__name__ for each in pair[:3])
        return f"{type(pair).__name__} of {len(pair)} ({inside})"
    return type(pair).__name__


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
