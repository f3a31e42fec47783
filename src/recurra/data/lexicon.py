"""Text as words, and words as numbers.

    split_words("It's great-ish, 3.5 stars!!")    it's  great-ish  ,  3.5  stars  !!

A word is a run of letters, digits and marks on letters, with single apostrophes, hyphens, dots or
commas inside numbers kept within it; anything else but blanks stands alone, and so does a Chinese
or Japanese sign. The same sign again and again is one word.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, OptionError

Ids = NDArray[np.int64]
# What is written without blanks between words: kana and Han.
SIGN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
LETTER = rf"(?:(?![{SIGN}])\w|[\u0300-\u036f])"
WORD = re.compile(
    rf"\d+(?:[.,]\d+)+|{LETTER}+(?:['’-]{LETTER}+)*|'(?:s|m|d|t|ll|re|ve)\b|[{SIGN}]|(\S)\1*",
    re.IGNORECASE,
)
# The number of every word that is not in a vocabulary.
UNKNOWN = 0
MOST_WORDS = 10_000_000


def split_words(text: str, *, lowercase: bool = True) -> list[str]:
    """The words of a text, punctuation apart.

    Args:
        text: anything.
        lowercase: capital letters become small ones.
    """
    text = unicodedata.normalize("NFC", text)
    return [found[0] for found in WORD.finditer(text.lower() if lowercase else text)]


class Lexicon:
    """A vocabulary: words, or characters, numbered from 1; 0 is whatever it does not know.

    Args:
        words: in the order of their numbers, each once.

    Raises:
        DataError: one is empty or comes twice.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words, start=1)}
        if "" in self._numbers or len(self._numbers) < len(self.words):
            twice = "an empty word" if "" in self._numbers else "a word twice"
            raise DataError(f"a vocabulary holds {twice}; each is there once")

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], min_count: int = 1) -> "Lexicon":
        """The words that were seen at least `min_count` times, the most frequent first.

        Raises:
            OptionError: `min_count` is below 1.
        """
        if min_count < 1:
            raise OptionError(f"--min-count is {min_count}; it is at least 1")
        kept = [word for word, count in counts.items() if count >= min_count]
        return cls(sorted(kept, key=lambda word: (-counts[word], word)))

    def __len__(self) -> int:
        """How many numbers there are, that of the unknown among them."""
        return len(self.words) + 1

    def __contains__(self, word: object) -> bool:
        return word in self._numbers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lexicon) and self.words == other.words

    def __repr__(self) -> str:
        return f"Lexicon({len(self.words)} words)"

    def ids(self, words: Sequence[str]) -> Ids:
        """The number of each word."""
        numbers = self._numbers
        return np.array([numbers.get(word, UNKNOWN) for word in words], np.int64)

    def to_json(self) -> list[str]:
        """The words in their order."""
        return list(self.words)

    @classmethod
    def from_json(cls, found: object) -> "Lexicon":
        """What `to_json` wrote.

        Raises:
            DataError: it is something else.
        """
        if not isinstance(found, list) or len(found) > MOST_WORDS:
            raise DataError(f"a vocabulary is a list of at most {MOST_WORDS:,} words")
        if odd := [word for word in found if not isinstance(word, str)]:
            raise DataError(f"a vocabulary holds {odd[0]!r}; its words are texts")
        return cls(found)
