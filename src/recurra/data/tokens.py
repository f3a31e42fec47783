"""Token ids in a file, read a slice at a time: text larger than memory.

Slices are read from the file, not mapped: pages of a mapping count as memory of the process for as
long as they lie in the page cache, which is what does not fit, and a mapped file that somebody cuts
short ends the process. The kernel keeps what was read all the same.

    text.txt      bytes are ids as they stand
    tokens.npy    NumPy's format 1.0, one dimension of uint8, uint16 or uint32
"""

import os
import re
import tempfile
import weakref
from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recurra.errors import (
    DataError,
    MissingFileError,
    OptionError,
    RecurraError,
    StorageError,
    UnsupportedError,
)

Ids = NDArray[np.unsignedinteger[Any]]
# Little-endian, whatever the machine, so that files travel.
TYPES = tuple(np.dtype(name) for name in ("u1", "<u2", "<u4"))
MAGIC = b"\x93NUMPY\x01\x00"
# What is written has a header of this size, whatever the count in it, so that it may come last.
HEADER_BYTES = 128
MOST_HEADER_BYTES = 4096
HEADER = re.compile(
    rb"\{'descr': '([|<]u[124])', 'fortran_order': (?:False|True), 'shape': \((\d{1,18}),\), \} *\n"
)


class Tokens:
    """A sequence of token ids in a file, with a length and slices; any thread may read.

    Opened by `byte_tokens` and `read_tokens`. The file stays open as long as the object lives, and
    is not to be changed meanwhile.

    Args:
        path: the file.
        dtype: of the ids.
        offset: bytes before the first id.
        count: ids.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], offset: int, count: int) -> None:
        self.path, self.dtype = path, dtype.newbyteorder("=")
        self._stored, self._offset, self._count = dtype, offset, count
        self._handle = _open(path)
        weakref.finalize(self, os.close, self._handle)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, where: object) -> Ids:
        """A copy of the ids in a slice, which lies within the file.

        Raises:
            DataError: it does not, or the file is no longer whole.
            UnsupportedError: no slice, or one with a stride.
        """
        begin, end = bounds(where, self._count, str(self.path))
        ids = np.empty(end - begin, self._stored)
        place = self._offset + begin * ids.itemsize
        view = ids.view(np.uint8).data
        while view:
            read = os.preadv(self._handle, [view], place)
            if not read:
                raise DataError(f"{self.path}: has become shorter while it was read")
            view, place = view[read:], place + read
        return ids.astype(self.dtype, copy=False)

    # Without this Python would ask for one id after the other.
    __iter__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, also those in other processes, open the file anew."""
        return Tokens, (self.path, self._stored, self._offset, self._count)

    def __repr__(self) -> str:
        return f"Tokens({str(self.path)!r}, {self._count} of {self.dtype})"


def bounds(where: object, count: int, name: str) -> tuple[int, int]:
    """Begin and end of a slice that lies within `count` ids.

    Raises:
        DataError: it does not.
        UnsupportedError: no slice, or one with a stride.
    """
    if not isinstance(where, slice) or where.step not in (None, 1):
        raise UnsupportedError(f"{name}: takes slices such as [0:100], got [{_shown(where)}]")
    begin = 0 if where.start is None else index(where.start)
    end = count if where.stop is None else index(where.stop)
    begin, end = (edge + count if edge < 0 else edge for edge in (begin, end))
    if not 0 <= begin <= end <= count:
        raise DataError(f"{name}: no ids [{_shown(where)}]; it holds {count}")
    return begin, end


def byte_tokens(path: str | os.PathLike[str]) -> Tokens:
    """Any file as ids 0 … 255, one a byte; nothing is copied.

    Raises:
        DataError: it is no plain file, or may not be read.
        MissingFileError: there is none.
    """
    path = Path(path)
    handle = _open(path)
    try:
        return Tokens(path, TYPES[0], 0, os.fstat(handle).st_size)
    finally:
        os.close(handle)


def read_tokens(path: str | os.PathLike[str]) -> Tokens:
    """The ids in a file of `write_tokens`, or of `numpy.save`.

    Raises:
        DataError: no such file, or a damaged one.
        MissingFileError: there is none.
    """
    path = Path(path)
    handle = _open(path)
    try:
        start, whole = os.pread(handle, MOST_HEADER_BYTES, 0), os.fstat(handle).st_size
    finally:
        os.close(handle)
    offset = 10 + int.from_bytes(start[8:10], "little")
    header = start[10:offset]
    found = HEADER.fullmatch(header)
    if not start.startswith(MAGIC) or found is None:
        told = ascii(header[:80].decode("latin-1").strip()) if header else "no header"
        raise DataError(
            f"{path}: {told}; it takes .npy, format 1.0, one dimension of uint8, uint16 or uint32"
        )
    dtype, count = np.dtype(found[1].decode()), int(found[2])
    if whole != offset + count * dtype.itemsize:
        raise DataError(
            f"{path}: {whole} bytes, its header says {offset + count * dtype.itemsize}; it was cut "
            "short or changed; write it again"
        )
    return Tokens(path, dtype, offset, count)


def token_type(vocab_size: int) -> np.dtype[Any]:
    """The smallest type for ids below `vocab_size`.

    Raises:
        OptionError: there is none.
    """
    for dtype in TYPES:
        if 1 <= vocab_size <= 1 << (8 * dtype.itemsize):
            return dtype
    raise OptionError(f"tokens: vocab_size is {vocab_size}; it lies in 1 … {1 << 32}")


def write_tokens(
    path: str | os.PathLike[str], chunks: Iterable[NDArray[Any]], dtype: DTypeLike
) -> Tokens:
    """Keep ids in a file, a chunk after the other; it appears whole or not at all.

    Args:
        path: where; what is there is replaced.
        chunks: ids, one-dimensional; one chunk is in memory at a time.
        dtype: uint8, uint16 or uint32; `token_type` says which one does.

    Raises:
        DataError: an id does not fit the type.
        OptionError: another type.
        StorageError: the file system refused; what stood at `path` still does.
    """
    # A link stays a link to what is replaced.
    path, stored = Path(os.path.realpath(path)), np.dtype(dtype).newbyteorder("<")
    if stored not in TYPES:
        raise OptionError(f"tokens: dtype is {stored}; it is uint8, uint16 or uint32")
    try:
        _write_beside(path, chunks, stored)
    except RecurraError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path}: not written, what was there is unchanged: {error.strerror or error}; "
            "make room or choose another place"
        ) from error
    return read_tokens(path)


def _write_beside(path: Path, chunks: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, chunks, dtype)
            file.flush()
            os.fsync(handle)
            os.fchmod(handle, 0o666 & ~_umask())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _write(file: BinaryIO, chunks: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> None:
    file.seek(HEADER_BYTES)
    count = 0
    for chunk in chunks:
        file.write(_fitting(np.asarray(chunk), dtype, count).data)
        count += len(chunk)
    said = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': ({count},), }}"
    size = HEADER_BYTES - len(MAGIC) - 2
    file.seek(0)
    file.write(MAGIC + size.to_bytes(2, "little") + said.ljust(size - 1).encode() + b"\n")


def _fitting(chunk: NDArray[Any], dtype: np.dtype[Any], before: int) -> Ids:
    if chunk.ndim != 1 or (chunk.dtype.kind not in "iu" and len(chunk)):
        raise DataError(
            f"tokens: a chunk is {chunk.ndim}-dimensional {chunk.dtype}; it takes one dimension of "
            "whole numbers"
        )
    most = np.iinfo(dtype).max
    if len(chunk) and not (chunk.min() >= 0 and chunk.max() <= most):
        place = int(np.argmax((chunk < 0) | (chunk > most)))
        raise DataError(
            f"tokens: id {chunk[place]} at {before + place}; {dtype.name} takes 0 … {most}"
        )
    return np.ascontiguousarray(chunk, dtype)


def _open(path: Path) -> int:
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of a text or of tokens")
    if not path.is_file():
        raise DataError(f"{path}: no plain file; it takes the path of a text or of tokens")
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _shown(where: object) -> str:
    if not isinstance(where, slice):
        return str(where)
    edges = [where.start, where.stop, *([] if where.step is None else [where.step])]
    return ":".join("" if edge is None else str(edge) for edge in edges)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
