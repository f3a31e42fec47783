"""One array in the format of NumPy's files, read without pickles and without belief in its header.

magic, version, length of the header, header, the numbers themselves
"""

import io
import math
import os
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as layout
from numpy.typing import NDArray

from recurra.errors import DataError, MissingFileError

# Bytes that one file may unpack to.
MOST_BYTES = 8 << 30
# What `open` and an archive give.
Opened = IO[bytes] | io.BufferedIOBase
# Numbers, truth values and texts; never objects.
KINDS = "biufU"
HEADERS = {(1, 0): layout.read_array_header_1_0, (2, 0): layout.read_array_header_2_0}


def read_npy(path: Path) -> NDArray[Any]:
    """The array in an NPY file.

    Raises:
        DataError: it is none, or its header promises what is not there.
        MissingFileError: there is no such file.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of an NPY file")
    try:
        with path.open("rb") as file:
            return read_array(file, os.fstat(file.fileno()).st_size, str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_array(file: Opened, size: int, where: str) -> NDArray[Any]:
    """The array that begins here.

    Args:
        file: open, at its beginning.
        size: bytes that it holds in all.
        where: what errors call it.

    Raises:
        DataError: as in `read_npy`.
    """
    shape, by_columns, dtype, begin = _header(file, where)
    if dtype.kind not in KINDS or dtype.hasobject:
        raise DataError(f"{where}: holds {dtype}; it takes numbers or texts, no objects")
    needed = math.prod(shape) * dtype.itemsize
    if needed > min(size - begin, MOST_BYTES):
        raise DataError(
            f"{where}: its header promises {needed:,} bytes of {shape} {dtype}; it holds "
            f"{size - begin:,}, and {MOST_BYTES:,} is the most that is read"
        )
    content = file.read(needed)
    if len(content) < needed:
        raise DataError(f"{where}: is cut short, {len(content):,} of {needed:,} bytes are there")
    flat: NDArray[Any] = np.frombuffer(content, dtype) if needed else np.zeros(0, dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


def _header(file: Opened, where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """The shape, whether columns come first, the type, and where the numbers begin."""
    start = io.BytesIO(file.read(1 << 16))
    try:
        with warnings.catch_warnings():
            # What a strange header makes Python say concerns nobody.
            warnings.simplefilter("ignore")
            version = layout.read_magic(start)
            shape, by_columns, dtype = HEADERS[version](start)
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise DataError(f"{where}: is no NPY array, or its header is damaged") from error
    if any(side < 0 for side in shape):
        raise DataError(f"{where}: its header has the shape {shape}; no side is below 0")
    begin = start.tell()
    file.seek(begin)
    return shape, by_columns, dtype, begin
