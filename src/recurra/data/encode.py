"""From text files to ids: in memory where they fit, else in a file of tokens."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.bytes import Bytes
from recurra.data.text import Text, lines
from recurra.data.tokens import Ids, Tokens, byte_tokens, token_type, write_tokens
from recurra.data.vocabulary import Vocabulary
from recurra.errors import DataError, OptionError, UnknownTokenError

DOCUMENTS = ("file", "line", "paragraph")
# Ids that are kept in memory, in bytes.
MOST_BYTES = 1 << 29
# Documents whose ids are joined before they go on.
TOGETHER = 4096


def encode_files(
    source: str | PathLike[str] | Sequence[str | PathLike[str]],
    vocabulary: Vocabulary,
    out: str | PathLike[str] | None = None,
    *,
    document: str = "file",
    errors: str = "strict",
    most_bytes: int = MOST_BYTES,
) -> Ids | Tokens:
    """The ids of one or several text files.

    A document ends with the separator, and documents without any text are left out. One file that
    is one document has no separator at all. Lines and paragraphs give theirs in the place of their
    newline; a paragraph ends before a line of blanks.

    Args:
        source: the path of a file, or several, in this order; `.gz` is unpacked.
        vocabulary: what gives the ids.
        out: a file for ids that take more than `most_bytes`; else it is not touched.
        document: "file", "line" or "paragraph".
        errors: "strict", or "replace", for bytes that are no UTF-8 and unknown characters.
        most_bytes: ids that are kept in memory.

    Returns:
        An array, or tokens in `out`; a large plain file whose ids are its bytes is read in its
        place.

    Raises:
        DataError: a file does not fit; or the ids take more memory, and there is no `out`.
        MissingFileError: there is no such file.
        OptionError: an option does not fit.
        StorageError: `out` cannot be written.
        UnknownTokenError: a character is not in the vocabulary, and errors are strict.
    """
    if document not in DOCUMENTS:
        raise OptionError(f'--document is "{document}"; it is file, line or paragraph')
    text = Text(source, errors)
    separated = document != "file" or len(text.paths) > 1
    if not separated and isinstance(vocabulary, Bytes) and _stands(text, errors, most_bytes):
        return byte_tokens(text.paths[0])
    dtype = token_type(len(vocabulary)) if separated else vocabulary.dtype
    chunks = _chunks(text, vocabulary, document, errors)
    return _gathered(text, chunks, dtype, out, most_bytes)


def _stands(text: Text, errors: str, most_bytes: int) -> bool:
    """Whether a file is large, and its text is its bytes without any change."""
    (path,) = text.paths
    size = path.stat().st_size
    if size <= most_bytes or path.suffix == ".gz" or errors != "strict":
        return False
    # All that is changed in a strict text makes it shorter.
    return size == sum(len(block.encode()) for block in text)


def _gathered(
    text: Text,
    chunks: Iterator[Ids],
    dtype: np.dtype[Any],
    out: str | PathLike[str] | None,
    most_bytes: int,
) -> Ids | Tokens:
    kept: list[NDArray[Any]] = []
    size = 0
    for chunk in chunks:
        kept.append(chunk.astype(dtype, copy=False))
        size += kept[-1].nbytes
        if size > most_bytes:
            break
    else:
        if not size:
            raise DataError(f"{text.paths[0]}: no document in it; it has nothing but blanks")
        return np.concatenate(kept).astype(dtype.newbyteorder("="), copy=False)
    if out is None:
        raise DataError(
            f"{text.paths[0]}: its ids take more than {most_bytes >> 20} MiB; give a file for them"
        )
    # Each chunk is let go when it is written.
    before = (kept.pop(0) for _ in range(len(kept)))
    return write_tokens(out, chain(before, chunks), dtype)


def _chunks(text: Text, vocabulary: Vocabulary, document: str, errors: str) -> Iterator[Ids]:
    end = np.array([vocabulary.separator], token_type(len(vocabulary)))
    for path in text.paths:
        blocks = text.blocks(path)
        if document == "file":
            yield from _whole(path, blocks, vocabulary, errors)
            if len(text.paths) > 1:
                yield end
            continue
        parts = lines(blocks) if document == "line" else _paragraphs(lines(blocks))
        found = _documents(f"{path}, {document}", parts, vocabulary, errors)
        while several := list(islice(found, TOGETHER)):
            yield np.concatenate([ids for one in several for ids in (one, end)])


def _whole(path: Path, blocks: Iterable[str], vocabulary: Vocabulary, errors: str) -> Iterator[Ids]:
    before = 0
    for block in blocks:
        try:
            yield vocabulary.encode(block, errors)
        except UnknownTokenError as error:
            raise UnknownTokenError(str(path), error.found, before + error.offset) from None
        before += len(block)


def _documents(
    where: str, parts: Iterable[str], vocabulary: Vocabulary, errors: str
) -> Iterator[Ids]:
    for number, part in enumerate(parts, start=1):
        if not part.strip():
            continue
        try:
            yield vocabulary.encode(part, errors)
        except UnknownTokenError as error:
            raise UnknownTokenError(f"{where} {number}", error.found, error.offset) from None


def _paragraphs(all_lines: Iterable[str]) -> Iterator[str]:
    paragraph: list[str] = []
    for line in chain(all_lines, [""]):
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield "\n".join(paragraph)
            paragraph = []
