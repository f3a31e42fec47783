"""One sequence in a file: CSV with a header or none, a row a step; or NPY."""

import lzma
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurra.data.numbers import USUAL, parsed, read_numbers
from recurra.data.signals.npy import read_npy
from recurra.data.table import Table, find_separator, opened, read_table, shown
from recurra.errors import DataError, MissingFileError

PACKED = (".gz", ".bz2", ".xz", ".zip")


def ending_of(path: Path) -> str:
    """The ending that says what a file is: small, and that inside where it is packed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if len(suffixes) > 1 and suffixes[-1] in PACKED:
        return suffixes[-2]
    return suffixes[-1] if suffixes else ""


def stem_of(path: Path) -> str:
    """The name of a file without its endings."""
    ending, name = ending_of(path), path.name
    for packed in PACKED:
        name = name[: -len(packed)] if name.lower().endswith(ending + packed) else name
    return name[: -len(ending)] if ending and name.lower().endswith(ending) else name


def read_number_file(path: Path) -> Table | NDArray[Any]:
    """The steps in a file; a table where a header names its columns.

    Raises:
        DataError: it cannot be read, or holds what is no number.
        MissingFileError: there is no such file.
    """
    if ending_of(path) == ".npy":
        return read_npy(path)
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of a CSV or an NPY")
    if has_header(path):
        return read_table(path)
    return _without_header(path, find_separator([_first_line(path)]))


def has_header(path: Path) -> bool:
    """Whether the first line of a text names columns, and does not hold numbers alone.

    Raises:
        DataError: the file cannot be read, or is empty.
    """
    line = _first_line(path)
    return not all(_is_number(cell) for cell in line.split(find_separator([line])))


def as_numbers(raw: Any) -> Any:
    """The numbers of a table's columns, (T, F); anything else as it is.

    Raises:
        DataError: a column holds something else.
    """
    if not isinstance(raw, Table):
        return raw
    columns = [read_numbers(raw, name) for name in raw.frame.columns]
    return np.stack(columns, axis=1)


def _first_line(path: Path) -> str:
    try:
        with opened(path) as file:
            head = file.read(1 << 16)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if b"\0" in head:
        raise DataError(f"{path}: is no text; it takes a CSV, a row a step")
    lines = head.decode("utf-8-sig", "replace").splitlines()
    line = next((line for line in lines if line.strip()), "")
    if not line:
        raise DataError(f"{path}: has no steps; it takes a row a step")
    return line


def _is_number(cell: str) -> bool:
    cell = cell.strip().strip('"')
    if cell in USUAL:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _without_header(path: Path, separator: str) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame = pd.read_csv(path, sep=separator, header=None, skipinitialspace=True)
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, EOFError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{path}: is no table of numbers: {said}") from error
    columns = []
    for place, name in enumerate(frame.columns):
        values, wrong = parsed(frame[name])
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{path}: row {row + 1}, column {place + 1}: {shown(frame[name].iloc[row])} is no "
                "number"
            )
        columns.append(values)
    return np.stack(columns, axis=1)
