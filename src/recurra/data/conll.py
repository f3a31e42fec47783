"""Sentences with a tag for each word, from CoNLL-U and plain CoNLL files.

    CoNLL-U   ten columns between tabs, the word in the second, its UPOS tag in the fourth; lines
              whose id holds - or . are no words, and those that begin with # are comments
    CoNLL     columns between tabs or blanks, the word in the first, its tag in the last; lines of
              -DOCSTART- are no words

Blank lines end sentences in both. A file that ends in .gz is unpacked.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from recurra.errors import DataError, MissingFileError, OptionError

MOST_BYTES = 1 << 30
MOST_WORDS = 100_000
UNIVERSAL_COLUMNS = 10
ID = re.compile(r"\d+([-.]\d+)?")
BLANKS = re.compile(r"[ \t]+")
DOCUMENT = "-DOCSTART-"


class Sentence(NamedTuple):
    """Words, and the tag of each; no tags where none were asked for."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_conll(
    source: str | PathLike[str],
    *,
    column: int | None = None,
    word_column: int | None = None,
    tagged: bool = True,
) -> list[Sentence]:
    """The sentences of a CoNLL-U or plain CoNLL file.

    Args:
        source: the file.
        column: of tags, counted from 1; the fourth of CoNLL-U and the last of CoNLL when not given.
        word_column: of words; the second of CoNLL-U and the first of CoNLL when not given.
        tagged: whether there have to be tags.

    Raises:
        DataError: it is no such file, or a line does not fit; the message names the line.
        MissingFileError: there is no such file.
        OptionError: the file has no such column.
    """
    path = Path(source)
    lines = list(_numbered(_text(path)))
    form = _form(path, lines, column, word_column, tagged=tagged)
    sentences = list(_sentences(path, lines, form))
    if not sentences:
        raise DataError(f"{path}: no words; it takes CoNLL-U or CoNLL, a word a line")
    return sentences


@dataclass(frozen=True)
class _Form:
    """How the lines of a file are read.

    Args:
        universal: it is CoNLL-U.
        tabs: columns stand between tabs.
        first: number of the first line that holds columns.
        columns: how many.
        word: column of words, counted from 0.
        tag: column of tags; None where none are asked for.
    """

    universal: bool
    tabs: bool
    first: int
    columns: int
    word: int
    tag: int | None

    def split(self, line: str) -> list[str]:
        """The columns of a line."""
        return _split(line, tabs=self.tabs)

    def is_comment(self, line: str, fields: list[str], *, begins: bool) -> bool:
        """Whether a line tells about a sentence; in CoNLL a # may be a word."""
        if self.universal:
            return begins and line.startswith("#")
        return begins and line.startswith("# ") and len(fields) != self.columns


def _split(line: str, *, tabs: bool) -> list[str]:
    return line.split("\t") if tabs else BLANKS.split(line.strip(" \t"))


def _text(path: Path) -> str:
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of a CoNLL file")
    if not path.is_file():
        raise DataError(f"{path}: no plain file; it takes the path of a CoNLL file")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: more than {MOST_BYTES >> 20} MiB; split it")
    if (place := content.find(b"\0")) >= 0:
        raise DataError(f"{path}: binary, a zero at byte {place}; it takes CoNLL as UTF-8 text")
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no UTF-8 at byte {error.start}; save it as UTF-8") from error


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines and their numbers; other marks that split lines may stand in words."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield number, line.removesuffix("\r")


def _form(
    path: Path,
    lines: list[tuple[int, str]],
    column: int | None,
    word_column: int | None,
    *,
    tagged: bool,
) -> _Form:
    """What the first line of columns says."""
    first, line = _first(path, lines)
    tabs = "\t" in line
    fields = _split(line, tabs=tabs)
    universal = len(fields) == UNIVERSAL_COLUMNS and tabs and bool(ID.fullmatch(fields[0]))
    if not universal and ".conllu" in path.suffixes:
        raise DataError(
            f"{path}: line {first} has {len(fields)} columns, CoNLL-U has {UNIVERSAL_COLUMNS} "
            "between tabs, a number first; name it .conll if it is plain CoNLL"
        )
    word = (2 if universal else 1) if word_column is None else word_column
    tag = (4 if universal else len(fields)) if column is None else column
    wanted = {"word-column": word, "column": tag} if tagged else {"word-column": word}
    for name, number in wanted.items():
        if not 1 <= number <= len(fields):
            raise OptionError(f"--{name} is {number}; line {first} of {path} has {len(fields)}")
    if tagged and tag == word:
        raise DataError(
            f"{path}: words and tags are both in column {word} of {len(fields)}; --column N or "
            "--word-column N names another"
        )
    return _Form(universal, tabs, first, len(fields), word - 1, tag - 1 if tagged else None)


def _first(path: Path, lines: list[tuple[int, str]]) -> tuple[int, str]:
    """The first line that holds columns: no comment, no start of a document."""
    comment = None
    for number, line in lines:
        if not line.strip() or _split(line, tabs="\t" in line)[0] == DOCUMENT:
            continue
        if not line.startswith("#"):
            return number, line
        comment = comment or (number, line)
    if comment is not None and not comment[1].startswith("# "):
        return comment
    raise DataError(f"{path}: empty; it takes CoNLL-U or CoNLL, a word a line")


def _sentences(path: Path, lines: list[tuple[int, str]], form: _Form) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    for number, line in [*lines, (len(lines) + 1, "")]:
        fields = form.split(line)
        if not line.strip() or (not form.universal and fields[0] == DOCUMENT):
            if words:
                yield Sentence(tuple(words), tuple(tags))
            words, tags = [], []
        elif not form.is_comment(line, fields, begins=not words):
            _take(path, number, fields, form, words, tags)


def _take(
    path: Path, number: int, fields: list[str], form: _Form, words: list[str], tags: list[str]
) -> None:
    """The word of a line, and its tag."""
    if len(fields) != form.columns:
        raise DataError(
            f"{path}: line {number} has {len(fields)} column{'s' * (len(fields) != 1)}, "
            f"line {form.first} has {form.columns}"
        )
    if form.universal and not ID.fullmatch(fields[0]):
        raise DataError(
            f"{path}: line {number} begins with {fields[0][:20]!r}; a word of CoNLL-U begins with "
            "its number"
        )
    if form.universal and not fields[0].isdecimal():
        return
    wanted = {"word": form.word} | ({} if form.tag is None else {"tag": form.tag})
    for name, place in wanted.items():
        if not fields[place].strip():
            raise DataError(f"{path}: line {number} has an empty {name} in column {place + 1}")
    words.append(fields[form.word])
    if form.tag is not None:
        tags.append(fields[form.tag])
    if len(words) > MOST_WORDS:
        raise DataError(
            f"{path}: line {number}: a sentence of more than {MOST_WORDS} words; blank lines "
            "end sentences"
        )
