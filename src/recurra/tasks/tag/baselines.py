"""What a tagger must beat: the tag that a word has most often."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from recurra.data import Sentence


@dataclass(frozen=True)
class MostFrequent:
    """Gives each word the tag that it has most often, and one not seen the most frequent tag.

    Args:
        tags: of each word, as it is written.
        other: of all others.
    """

    tags: dict[str, str]
    other: str

    @classmethod
    def fit(cls, sentences: Sequence[Sentence]) -> "MostFrequent":
        """Count; of tags that are as frequent the first in the alphabet counts."""
        every: Counter[str] = Counter()
        of: dict[str, Counter[str]] = {}
        for words, tags in sentences:
            every.update(tags)
            for word, tag in zip(words, tags, strict=True):
                of.setdefault(word, Counter())[tag] += 1
        return cls({word: _most(tags) for word, tags in of.items()}, _most(every))

    def predict(self, words: Sequence[str]) -> list[str]:
        """A tag for each word."""
        return [self.tags.get(word, self.other) for word in words]


def _most(counted: Counter[str]) -> str:
    return min(counted, key=lambda tag: (-counted[tag], tag))
