"""Which words, letters and tags are told apart."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from recurra.data import Sentence

# Beyond these, the rarest are taken for unknown.
MOST_KNOWN_WORDS, MOST_LETTERS = 1_000_000, 20_000
DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Vocabulary:
    """Words, letters and tags, each numbered in its order.

    Args:
        words: as `known_as` writes them; their numbers begin at 1, 0 is of all others.
        letters: likewise.
        tags: their numbers begin at 0.
        lowercase: whether words that differ in capitals alone are one; letters tell them apart.
    """

    words: tuple[str, ...]
    letters: tuple[str, ...]
    tags: tuple[str, ...]
    lowercase: bool
    _word: dict[str, int] = field(init=False, repr=False, compare=False)
    _letter: dict[str, int] = field(init=False, repr=False, compare=False)
    _tag: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbered = {"_word": (self.words, 1), "_letter": (self.letters, 1), "_tag": (self.tags, 0)}
        for name, (texts, first) in numbered.items():
            object.__setattr__(self, name, {text: k for k, text in enumerate(texts, first)})

    @classmethod
    def of(
        cls, sentences: Sequence[Sentence], tags: Iterable[str], *, lowercase: bool, min_count: int
    ) -> "Vocabulary":
        """What stands in sentences.

        Args:
            sentences: to learn from.
            tags: that there are.
            lowercase: see above.
            min_count: words that stand there less often are taken for unknown.
        """
        words = Counter(_key(word, lowercase) for each in sentences for word in each.words)
        letters = Counter(letter for each in sentences for word in each.words for letter in word)
        return cls(
            tuple(w for w, n in words.most_common(MOST_KNOWN_WORDS) if n >= min_count),
            tuple(letter for letter, _ in letters.most_common(MOST_LETTERS)),
            tuple(sorted(set(tags))),
            lowercase,
        )

    def word(self, word: str) -> int:
        """The number of a word; 0 where it is unknown."""
        return self._word.get(_key(word, self.lowercase), 0)

    def letter(self, letter: str) -> int:
        """The number of a letter; 0 where it is unknown."""
        return self._letter.get(letter, 0)

    def tag(self, tag: str) -> int:
        """The number of a tag.

        Raises:
            KeyError: there is no such tag.
        """
        return self._tag[tag]


def _key(word: str, lowercase: bool) -> str:
    """How a word is known: numbers of as many digits are one word."""
    return DIGIT.sub("0", word.lower() if lowercase else word)
