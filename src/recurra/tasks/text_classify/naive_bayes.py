"""Which class a text's words and pairs of words speak for, counted.

    log p(k | text) = log p(k) + sum_f log p(f | k) + const       f in the features of the text
    p(f | k) = (n_fk + 1) / sum_f (n_fk + 1)                      n_fk texts of class k that hold f

Features are words and pairs of neighbours, each once a text however often it stands there; those
that were never seen say nothing. Texts are never as independent as that, so the scores are far too
sure; `calibration.py` flattens them.

Source: Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification",
2012, ACL, section 2.1 (multinomial, with counts clipped to 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NaiveBayes:
    """The counts as logarithms.

    Args:
        vocab_size: numbers of words are below it, V; a word w is the feature w, and the pair of v
            and w the feature v V + w. Number 0, the unknown, is none.
        features: (F,) that were seen, ascending.
        weights: (F, K) log p(f | k).
        prior: (K,) log p(k).
    """

    vocab_size: int
    features: Indices
    weights: NDArray[np.float32]
    prior: Floats

    @classmethod
    def fit(
        cls, texts: Sequence[Indices], labels: Indices, classes: int, vocab_size: int
    ) -> "NaiveBayes":
        """Count.

        Args:
            texts: numbers of words.
            labels: (N,) class of each text, 0 … K - 1.
            classes: K.
            vocab_size: V.
        """
        sets = [features_of(text, vocab_size) for text in texts]
        every = np.concatenate([*sets, np.zeros(0, np.int64)])
        seen, place = np.unique(every, return_inverse=True)
        owner = np.repeat(labels, [len(one) for one in sets])
        flat = np.bincount(place * classes + owner, minlength=len(seen) * classes)
        counts = flat.reshape(len(seen), classes) + 1.0
        prior = np.bincount(labels, minlength=classes) + 1.0
        return cls(
            vocab_size,
            seen,
            np.log(counts / counts.sum(axis=0)).astype(np.float32),
            np.log(prior / prior.sum()),
        )

    def scores(self, texts: Sequence[Indices]) -> Floats:
        """log p(k) + log p(text | k) of each text and class, (N, K)."""
        return np.stack([self.prior, *map(self._score, texts)])[1:]

    def _score(self, text: Indices) -> Floats:
        wanted = features_of(text, self.vocab_size)
        place = np.searchsorted(self.features, wanted)
        place = place[place < len(self.features)]
        found = place[self.features[place] == wanted[: len(place)]]
        total: Floats = self.prior + self.weights[found].sum(axis=0, dtype=np.float64)
        return total


def features_of(text: Indices, vocab_size: int) -> Indices:
    """The features of a text, ascending, each once."""
    pairs = text[:-1] * vocab_size + text[1:]
    known = pairs[(text[:-1] > 0) & (text[1:] > 0)]
    return np.unique(np.concatenate([text[text > 0], known]))
