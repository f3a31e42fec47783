r"""Text files, read block by block: UTF-8, plain or packed by gzip.

A byte order mark at the beginning is dropped, and `\r\n` becomes `\n`; all else stays as it stands.
A block ends before a blank or a newline that follows something else. No word crosses such a place,
and no piece of a word, so the ids of the blocks are those of the whole.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from os import PathLike
from pathlib import Path

from recurra.data.vocabulary import check_errors
from recurra.errors import DataError, MissingFileError, OptionError

# Bytes that are read at once; characters in which a place for an end is waited for.
CHUNK, MOST_WAITED = 1 << 20, 1 << 23
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
EDGE = re.compile(r"\S(?=[ \n])")


class Text:
    """One or several text files as blocks of text; may be gone over again.

    Args:
        source: the path of a file, or several, read in this order; `.gz` is unpacked.
        errors: "strict", or "replace", which reads U+FFFD where bytes are no UTF-8.

    Attributes:
        paths: the files.

    Raises:
        DataError: a path is a folder or no plain file.
        MissingFileError: there is no such file.
        OptionError: no file, or no such way with errors.
    """

    def __init__(
        self, source: str | PathLike[str] | Sequence[str | PathLike[str]], errors: str = "strict"
    ) -> None:
        check_errors(errors)
        several = [source] if isinstance(source, str | PathLike) else source
        self.paths, self._errors = tuple(map(Path, several)), errors
        if not self.paths:
            raise OptionError("text: no file is given; it takes the path of a text or several")
        for path in self.paths:
            _check_file(path)

    def __iter__(self) -> Iterator[str]:
        """All blocks of all files; none reaches from one file into the next.

        Raises:
            DataError: a file is empty, damaged, binary or no UTF-8.
        """
        return chain.from_iterable(map(self.blocks, self.paths))

    def __repr__(self) -> str:
        return f"Text({', '.join(map(str, self.paths))})"

    def blocks(self, path: Path) -> Iterator[str]:
        """The blocks of one file; about a million characters each.

        Raises:
            DataError: the file is empty, damaged, binary or no UTF-8.
        """
        empty = True
        for block in _cut(_without_marks(_decoded(path, self._errors))):
            empty = False
            yield block
        if empty:
            raise DataError(f"{path}: is empty; it takes some text")


def lines(blocks: Iterable[str]) -> Iterator[str]:
    """The lines of a text, without their ends."""
    begun = ""
    for block in blocks:
        *whole, begun = (begun + block).split("\n")
        yield from whole
    if begun:
        yield begun


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path}: a folder; it takes text files, such as those of {path}/*.txt")
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of a text")
    if not path.is_file():
        raise DataError(f"{path}: no plain file; it takes one that can be read again")


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged, or not packed by gzip: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _decoded(path: Path, errors: str) -> Iterator[str]:
    decoder, done = codecs.getincrementaldecoder("utf-8")(errors), 0
    for chunk in chain(_chunks(path), [b""]):
        _check_chunk(path, chunk, done)
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            byte, offset = error.object[error.start], done - held + error.start
            raise DataError(
                f"{path}: byte 0x{byte:02x} at offset {offset} is no UTF-8; --errors replace goes "
                "on with U+FFFD"
            ) from None
        done += len(chunk)
        yield text


def _check_chunk(path: Path, chunk: bytes, done: int) -> None:
    if not done and chunk.startswith(UTF16):
        raise DataError(f"{path}: is UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8")
    place = chunk.find(b"\0")
    if place >= 0:
        raise DataError(f"{path}: a NUL byte at offset {done + place}; it is no text")


def _without_marks(texts: Iterable[str]) -> Iterator[str]:
    held, begun = "", False
    for text in chain(texts, [None]):
        whole = held + (text or "")
        if whole and not begun:
            begun, whole = True, whole.removeprefix("\ufeff")
        # What follows may be its newline.
        held = "\r" if text is not None and whole.endswith("\r") else ""
        yield whole.removesuffix(held).replace("\r\n", "\n")


def _cut(texts: Iterable[str]) -> Iterator[str]:
    waiting = ""
    for text in texts:
        waiting += text
        end = _last_edge(waiting)
        if not end and len(waiting) >= MOST_WAITED:
            end = len(waiting)
        if end:
            yield waiting[:end]
            waiting = waiting[end:]
    if waiting:
        yield waiting


def _last_edge(text: str) -> int:
    """The last place where a block may end; 0 where there is none."""
    for size in (1 << 10, 1 << 16, len(text)):
        begin = max(0, len(text) - size)
        ends = [found.end() for found in EDGE.finditer(text, begin)]
        if ends:
            return ends[-1]
    return 0
