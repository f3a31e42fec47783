"""Letters of DNA: FASTA files, and letters as numbers.

    A C G T     one number each that is 1, the others 0
    N           any of them: a quarter each

A k-mer is k letters in a row; of its 4^k numbers each is the product of its letters' own.
"""

import gzip
import zlib
from collections.abc import Iterator
from functools import reduce
from io import TextIOBase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from recurra.data.table import shown
from recurra.errors import DataError, MissingFileError

BASES = "ACGT"
ALPHABET = BASES + "N"
# Of one file.
MOST_LETTERS = 1 << 30
LINE = 1 << 20


class Record(NamedTuple):
    """A sequence of a FASTA file: its name, what stands behind it in the header, and letters."""

    name: str
    rest: str
    letters: str


def read_fasta(path: Path) -> list[Record]:
    """All records of a file.

    Raises:
        DataError: it cannot be read, begins without a header, a record is empty or nameless, or a
            letter is none of A, C, G, T and N.
        MissingFileError: there is no such file.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of a FASTA file")
    try:
        records = list(_records(path))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as FASTA: {error}") from error
    if not records:
        raise DataError(f"{path}: has no record; it takes >name and letters below it")
    return records


def _records(path: Path) -> Iterator[Record]:
    header, parts = "", list[str]()
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for number, line in enumerate(_limited(path, file), start=1):
            line = line.strip()
            if line.startswith(">"):
                if header:
                    yield _record(path, header, parts)
                header, parts = line[1:].strip(), []
                if not header:
                    raise DataError(f"{path}: line {number}: a record without a name")
            elif line and not header:
                raise DataError(
                    f"{path}: line {number}: {shown(line)} before any header; it takes >name first"
                )
            elif not line.startswith(";"):
                parts.append(line)
    if header:
        yield _record(path, header, parts)


def _limited(path: Path, file: TextIOBase) -> Iterator[str]:
    """Lines, cut where they are very long, as long as they are not too many."""
    total = 0
    while line := file.readline(LINE):
        total += len(line)
        if total > MOST_LETTERS:
            raise DataError(f"{path}: unpacks to more than {MOST_LETTERS:,} letters; cut it up")
        yield line


def _record(path: Path, header: str, parts: list[str]) -> Record:
    name, _, rest = header.partition(" ")
    where = f"{path}: {name}"
    letters = "".join("".join(parts).split())
    if not letters:
        raise DataError(f"{where}: has no letters; a sequence has one or more")
    codes_of(letters, where)
    return Record(name, rest.strip(), letters)


def codes_of(letters: Any, where: str) -> NDArray[np.int64]:
    """The number of each letter in `ALPHABET`; small letters are as good as capital ones.

    Raises:
        DataError: a letter is not in it; names the place, counted from 1.
    """
    if not isinstance(letters, str):
        raise DataError(f"{where}: {shown(letters)} is a {type(letters).__name__}, not letters")
    if not letters:
        raise DataError(f"{where}: has no letters; a sequence has one or more")
    signs = np.frombuffer(letters.upper().encode("utf-32-le"), np.uint32)
    table = np.frombuffer(ALPHABET.encode("utf-32-le"), np.uint32)
    same = signs[:, None] == table
    wrong = np.flatnonzero(~same.any(axis=1))
    if len(wrong):
        place = int(wrong[0])
        raise DataError(
            f"{where}: letter {place + 1} is {shown(letters.upper()[place])}; it takes A, C, G, T "
            "and N"
        )
    codes: NDArray[np.int64] = np.argmax(same, axis=1)
    return codes


def one_hot(letters: Any, where: str, k: int = 1) -> Float32[np.ndarray, "T F"]:
    """Letters as steps of 4^k numbers that add up to 1, one step for each k-mer.

    Args:
        letters: of the alphabet.
        where: what errors call them.
        k: letters of a step.

    Raises:
        DataError: a letter is not in the alphabet, or they are fewer than k.
    """
    rows = np.vstack([np.eye(4), np.full((1, 4), 0.25)]).astype(np.float32)
    single = rows[codes_of(letters, where)]
    if len(single) < k:
        raise DataError(f"{where}: has {len(single)} letters; k-mers of {k} need {k} or more")
    count = len(single) - k + 1
    parts = [single[start : start + count] for start in range(k)]
    return reduce(_product, parts)


def _product(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)


def k_mers(k: int) -> tuple[str, ...]:
    """The names of the 4^k numbers, in their order."""
    names = [""]
    for _ in range(k):
        names = [name + base for name in names for base in BASES]
    return tuple(names)


def reverse_complement(letters: str) -> str:
    """The other strand, as it is read."""
    return letters.translate(str.maketrans("ACGTNacgtn", "TGCANtgcan"))[::-1]


def other_strand(k: int) -> tuple[int, ...]:
    """Where each k-mer's number comes from when its sequence is read as its other strand."""
    names = k_mers(k)
    places = {name: place for place, name in enumerate(names)}
    return tuple(places[reverse_complement(name)] for name in names)
