r"""Text as words between blanks; the end of a line is a word of its own.

Files such as the Penn Treebank are read as the literature does: its `<eos>` is the newline here,
and `<unk>` in a text is the word for all that are unknown. Blanks are not kept: text comes back
with one between two words, and none around a newline.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recurra.data.tokens import Ids, token_type
from recurra.data.vocabulary import (
    MOST_LENGTH,
    SEPARATOR,
    Decoder,
    Vocabulary,
    check_errors,
    check_id,
    check_ids,
    check_tokens,
    check_whole,
    shown,
)
from recurra.errors import DataError

UNKNOWN, NEWLINE = "<unk>", "\n"


class WordDecoder(Decoder):
    """Words with a blank before each but the first of a line."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words, self._blank = words, False

    def push(self, token: SupportsIndex) -> str:
        place = check_id(Words.kind, token, len(self._words) + 1)
        if place == len(self._words):
            return ""
        word: str = self._words[place]
        before = " " if self._blank and word != NEWLINE else ""
        self._blank = word != NEWLINE
        return before + word

    def finish(self) -> str:
        self._blank = False
        return ""


class Words(Vocabulary):
    """Words from the most frequent to the rarest; `<unk>` and the newline are among them.

    Args:
        words: each once, in the order of their ids.
        lowercase: texts are put into small letters first.
    """

    kind: ClassVar = "words"

    def __init__(self, words: Sequence[str], lowercase: bool = False) -> None:
        self.words, self.lowercase = tuple(words), lowercase
        self._ids = {word: place for place, word in enumerate(self.words)}
        self.separator = len(self.words)
        self.unknown, self.newline = self._ids[UNKNOWN], self._ids[NEWLINE]
        self.dtype = token_type(len(self)).newbyteorder("=")

    def __len__(self) -> int:
        return len(self.words) + 1

    def __repr__(self) -> str:
        return f"Words({len(self)} ids{', lowercase' if self.lowercase else ''})"

    def encode(self, text: str, errors: str = "strict") -> Ids:
        """The ids of a text; unknown words are `<unk>`, whatever is said of errors."""
        check_errors(errors)
        get, unknown = self._ids.get, self.unknown
        return np.array([get(word, unknown) for word in _split(text, self.lowercase)], self.dtype)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        array = check_ids(self.kind, ids, len(self))
        lines: list[list[str]] = [[]]
        for place in array[array < self.separator].tolist():
            if place == self.newline:
                lines.append([])
            else:
                lines[-1].append(self.words[place])
        return NEWLINE.join(map(" ".join, lines))

    def decoder(self) -> Decoder:
        return WordDecoder(self.words)

    def name(self, token: SupportsIndex) -> str:
        place = check_id(self.kind, token, len(self))
        return SEPARATOR if place == self.separator else shown(self.words[place])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": list(self.words), "lowercase": self.lowercase}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Words":
        words, lowercase = check_tokens(cls.kind, data, "words"), data.get("lowercase")
        if not isinstance(lowercase, bool) or set(data) - {"kind", "words", "lowercase"}:
            raise DataError(f'{cls.kind}: "lowercase" is {lowercase!r}, or more is said than known')
        for missing in {UNKNOWN, NEWLINE} - set(words):
            raise DataError(f"{cls.kind}: {shown(missing)} is missing; it is damaged")
        if any(word != NEWLINE and word.split() != [word] for word in words):
            raise DataError(f"{cls.kind}: a word has a blank in it; it is damaged")
        return cls(words, lowercase)


def fit_words(blocks: Iterable[str], size: int, lowercase: bool) -> Words:
    """The most frequent words of a text.

    Args:
        blocks: the text, cut between words.
        size: words at most, `<unk>` and the newline included.
        lowercase: the text is put into small letters first.
    """
    counts: Counter[str] = Counter({UNKNOWN: 0, NEWLINE: 0})
    for block in blocks:
        check_whole("text", [block])
        counts.update(_split(block, lowercase))
    apart = {UNKNOWN, NEWLINE}
    # What is too long for a file is no word.
    kept = [word for word in _ordered(counts) if word not in apart and len(word) <= MOST_LENGTH]
    kept = kept[: size - len(apart)]
    counts[UNKNOWN] = counts.total() - sum(counts[word] for word in [*kept, NEWLINE])
    return Words(_ordered({word: counts[word] for word in [*kept, *apart]}), lowercase)


def _ordered(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))


def _split(text: str, lowercase: bool) -> list[str]:
    if lowercase:
        text = text.lower()
    first, *lines = text.split(NEWLINE)
    words = first.split()
    for line in lines:
        words.append(NEWLINE)
        words += line.split()
    return words
