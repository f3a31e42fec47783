"""What a rewriter must beat: the answer of the most similar example that it was shown.

A text's features are its words, or its runs of one to three characters, each weighted by how often
it stands in the text and how seldom in all; similarity is the cosine.

Source: the weights are those of scikit-learn's TfidfVectorizer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data import Pairs

Bytes = NDArray[np.uint8]
# Examples that are kept, from the first on; and texts that are looked up together.
MOST, TOGETHER = 50_000, 64
# How each kind of features is cut out of a text.
FEATURES: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "token_pattern": r"\S+"},
    "characters": {"analyzer": "char", "ngram_range": (1, 3), "lowercase": False},
}


@dataclass(frozen=True)
class Memory:
    """Examples that were learned from.

    Args:
        pairs: texts, and what each became.
        features: a name in FEATURES.
    """

    pairs: Pairs
    features: str

    @classmethod
    def of(cls, pairs: Pairs, features: str) -> "Memory":
        """The first examples of some."""
        return cls(pairs.part(0, MOST), features)

    def answer(self, texts: Sequence[str]) -> list[str]:
        """What the most similar example became, of equals the first."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(**FEATURES[self.features])
        known = vectorizer.fit_transform(self.pairs.sources).T.tocsr()
        found: list[int] = []
        for begin in range(0, len(texts), TOGETHER):
            asked = vectorizer.transform(texts[begin : begin + TOGETHER])
            found += (asked @ known).toarray().argmax(axis=1).tolist()
        return [self.pairs.targets[place] for place in found]

    def to_arrays(self) -> dict[str, Bytes]:
        """Sources and targets, each a list as JSON."""
        return {"sources": _written(self.pairs.sources), "targets": _written(self.pairs.targets)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Bytes], features: str) -> "Memory":
        """What `to_arrays` wrote.

        Raises:
            ValueError, UnicodeDecodeError: it is something else.
        """
        sources, targets = (_read(arrays[name]) for name in ("sources", "targets"))
        if len(sources) != len(targets) or not 1 <= len(sources) <= MOST:
            raise ValueError(f"the memory has {len(sources)} sources, {len(targets)} targets")
        return cls(Pairs(sources, targets, "memory"), features)


def _written(texts: Sequence[str]) -> Bytes:
    return np.frombuffer(json.dumps(texts).encode(), np.uint8)


def _read(array: Bytes) -> tuple[str, ...]:
    texts = json.loads(array.tobytes())
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("the memory is no list of texts")
    return tuple(texts)
