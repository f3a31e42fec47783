"""Texts as a language model is given them: which files, which tokens, which parts."""

import hashlib
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recurra.data import Part, Text, Vocabulary, encode_files
from recurra.data import Tokens as TokenFile
from recurra.errors import DataError, UnknownTokenError
from recurra.tasks.language.learned import Learned
from recurra.train import Tokens


@runtime_checkable
class Open(Protocol):
    """A text that is open, such as a file or an `io.StringIO`."""

    def read(self) -> str:
        """All of it."""


# A path, several, or an open text.
Given: TypeAlias = str | Path | Sequence[str | Path] | Open
Ids = NDArray[Any]
# Ids of a text, in memory or in a file.
Stored: TypeAlias = Ids | TokenFile | Part
# Ids that are looked at together.
CHUNK = 1 << 22


class Read(NamedTuple):
    """A text as ids.

    Args:
        name: of the text, for people.
        ids: of all of it.
        separated: whether a separator ends each document; else the whole is one.
        strange: a few of the characters that are unknown, and stand there as one.
    """

    name: str
    ids: Stored
    separated: bool
    strange: str = ""


class Files:
    """The files of a text; one that was open is written into a folder that goes with this object.

    Args:
        data: what was given.

    Attributes:
        paths: of the files.
        name: for people.
        folder: for whatever belongs to the files.
    """

    def __init__(self, data: Given) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="recurra-text-")
        weakref.finalize(self, scratch.cleanup)
        self.folder = Path(scratch.name)
        if isinstance(data, str | Path):
            self.paths, self.name = [Path(data)], Path(data).name
        elif isinstance(data, Open):
            self.paths, self.name = [self._written(data.read())], "text"
        else:
            self.paths = [Path(each) for each in data]
            more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
            self.name = f"{self.paths[0].name if self.paths else 'nothing'}{more}"

    def _written(self, text: str) -> Path:
        if not isinstance(text, str):
            raise DataError(f"text: reads as {type(text).__name__}; open it as text")
        path = self.folder / "text"
        # Half a surrogate pair is no UTF-8, and is found as such.
        path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        return path


def read(files: Files, vocabulary: Vocabulary, document: str, errors: str) -> Read:
    """The ids of a text.

    Raises:
        DataError, MissingFileError, OptionError, UnknownTokenError: as `encode_files`.
    """
    ids = encode_files(
        files.paths, vocabulary, files.folder / "ids.npy", document=document, errors=errors
    )
    return Read(files.name, ids, document != "file" or len(files.paths) > 1)


def read_leniently(files: Files, learned: Learned, document: str, errors: str) -> Read:
    """A text as a model reads it that has learned; a few of the characters unknown to it are named.

    Where it knows no separator, several files are one document.
    """
    vocabulary = learned.vocabulary
    if not learned.separated and len(files.paths) > 1:
        parts = [read_leniently(Files(path), learned, document, errors) for path in files.paths]
        ids = np.concatenate([np.asarray(part.ids[:]) for part in parts])
        return Read(files.name, ids, False, "".join(part.strange for part in parts))
    try:
        return read(files, vocabulary, document, errors)
    except UnknownTokenError as error:
        found = read(files, vocabulary, document, "replace")
        return found._replace(strange=error.found)


def characters_in(files: Files, errors: str) -> int:
    """How many characters the files have."""
    return sum(map(len, Text(files.paths, errors)))


def chunks(ids: Tokens) -> Iterator[Ids]:
    """All ids, so many at once."""
    for begin in range(0, len(ids), CHUNK):
        yield ids[begin : min(begin + CHUNK, len(ids))]


def characters_of(ids: Tokens, vocabulary: Vocabulary) -> int:
    """Characters of the text that ids stand for.

    Of words that is one blank between two of them, the newline, and `<unk>` for what is unknown.
    """
    return sum(len(vocabulary.decode(chunk)) for chunk in chunks(ids))


def count_of(ids: Tokens, wanted: int | None) -> int:
    """How often an id occurs."""
    if wanted is None:
        return 0
    return sum(int((chunk == wanted).sum()) for chunk in chunks(ids))


def hash_of(vocabulary: Vocabulary, *texts: Tokens) -> str:
    """Of what the tokens mean, and of all ids."""
    digest = hashlib.sha256(repr(vocabulary.to_json()).encode())
    for ids in texts:
        digest.update(f"{len(ids)}".encode())
        for chunk in chunks(ids):
            digest.update(np.ascontiguousarray(chunk, np.uint32).data)
    return digest.hexdigest()
