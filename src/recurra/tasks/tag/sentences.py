"""Sentences as a tagger is given them, and the parts that are held out."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from recurra.data import Sentence, read_conll
from recurra.errors import DataError

# A file, or sentences as (words, tags).
Tagged = str | PathLike[str] | Sequence[Any]
# A file, or sentences as lists of words or as texts with blanks between words.
Untagged = str | PathLike[str] | Sequence[Any]
HELD_OUT = 10
# Would end a column or a line of a file.
BREAKS = re.compile(r"[\t\r\n]")


@dataclass(frozen=True)
class Columns:
    """Which columns of a file hold what, counted from 1; None as `read_conll` finds them."""

    tag: int | None
    word: int | None


@dataclass(frozen=True)
class Parts:
    """Sentences to learn from, to validate on, and to test on."""

    train: list[Sentence]
    valid: list[Sentence]
    test: list[Sentence]


def tagged(data: Tagged, columns: Columns) -> list[Sentence]:
    """Sentences with tags.

    Raises:
        DataError: they are none; the message names the line or the sentence.
    """
    if isinstance(data, str | PathLike):
        return read_conll(data, column=columns.tag, word_column=columns.word)
    found = [tagged_sentence(number, each) for number, each in enumerate(data)]
    if not found:
        raise DataError("there are no sentences; a list of (words, tags) fits")
    return found


def untagged(data: Untagged, columns: Columns) -> list[Sentence]:
    """Sentences without tags; one without words has none.

    Raises:
        DataError: they are none; the message names the line or the sentence.
    """
    if isinstance(data, str | PathLike):
        return read_conll(data, word_column=columns.word, tagged=False)
    return [
        Sentence(tuple(each.split()), ())
        if isinstance(each, str)
        else Sentence(_texts(number, "words", each), ())
        for number, each in enumerate(data)
    ]


def divide(sentences: list[Sentence], valid: list[Sentence] | None) -> Parts:
    """Hold out the last tenths to validate and to test; of `valid` one half each.

    Raises:
        DataError: there are too few sentences.
    """
    if valid is not None:
        if len(valid) < 2:
            raise DataError(f"--valid has {len(valid)} sentence; one validates, another one tests")
        half = len(valid) // 2
        return Parts(sentences, valid[:half], valid[half:])
    if len(sentences) < 3:
        raise DataError(
            f"there are {len(sentences)} sentences, blank lines between them; it takes 3 to learn, "
            "validate and test"
        )
    tenth = max(1, len(sentences) // HELD_OUT)
    return Parts(sentences[: -2 * tenth], sentences[-2 * tenth : -tenth], sentences[-tenth:])


def name_of(data: Tagged) -> str:
    """Of a file; of a list, what it is."""
    return Path(data).name if isinstance(data, str | PathLike) else type(data).__name__


def hash_of(sentences: Sequence[Sentence]) -> str:
    """Of words and tags: the same for a file and for the sentences read from it."""
    digest = hashlib.sha256()
    for words, tags in sentences:
        for text in (*words, "", *tags, ""):
            # A length before each text: no two lists of texts look alike.
            digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def tagged_sentence(number: int, each: Any) -> Sentence:
    """One pair (words, tags).

    Raises:
        DataError: it is none; the message names the sentence by its number.
    """
    if not (isinstance(each, Sequence) and len(each) == 2) or isinstance(each, str):
        raise DataError(f"sentence {number} is a {type(each).__name__}; a pair (words, tags) fits")
    words, tags = _texts(number, "words", each[0]), _texts(number, "tags", each[1])
    if len(words) != len(tags) or not words:
        raise DataError(
            f"sentence {number} has {len(words)} words and {len(tags)} tags; one tag a word fits"
        )
    return Sentence(words, tags)


def _texts(number: int, what: str, texts: Any) -> tuple[str, ...]:
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise DataError(f"sentence {number}: its {what} are a {type(texts).__name__}; a list fits")
    for text in texts:
        if not isinstance(text, str) or not text.strip() or BREAKS.search(text):
            raise DataError(
                f"sentence {number}: {text!r} is among its {what}; texts without tabs and line "
                "breaks fit"
            )
    return tuple(texts)
