"""Texts as numbers: each distinct word once, with its letters, and where it stands."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.data import Lexicon, split_words
from recurra.models import UNKNOWN, Spelt
from recurra.tasks.encoder import Encoder, Spelling

Indices = NDArray[np.int64]
# Letters of a word that are read; what is longer is no word.
MOST_LETTERS = 24
# Of characters, those that stand in one word alone are unknown: so row 0 of their table learns.
LETTER_COUNT = 2


@dataclass(frozen=True)
class Corpus:
    """Texts by their distinct words.

    Args:
        distinct: the words that stand in them.
        numbers: (D,) of each in the lexicon.
        letters: (D, C) of each in the alphabet, padded on the right.
        counts: (D,) letters of each, at least 1.
        texts: which of the distinct words stands where, one array a text.
        cut: how many texts were longer than what is read of them.
        spelling: of the distinct words in an encoder's tokens, where there is one.
    """

    distinct: tuple[str, ...]
    numbers: Indices
    letters: Indices
    counts: Indices
    texts: tuple[Indices, ...]
    cut: int = 0
    spelling: Spelling | None = None

    @property
    def lengths(self) -> Indices:
        """(N,) words of each text."""
        return np.array([len(text) for text in self.texts], np.int64)

    def batch(self, texts: Sequence[Indices], vocab_size: int) -> Spelt:
        """Texts as the network takes them, padded on the right.

        Args:
            texts: of distinct words, as in `texts`.
            vocab_size: numbers from here on are unknown.
        """
        lengths = np.array([len(text) for text in texts], np.int64)
        true = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
        places = np.zeros(true.shape, np.int64)
        places[true] = np.concatenate([*texts, np.zeros(0, np.int64)])
        used, index = np.unique(places, return_inverse=True)
        numbers, counts = self.numbers[used], self.counts[used]
        known = np.where(numbers < vocab_size, numbers, UNKNOWN)
        letters = np.ascontiguousarray(self.letters[used, : int(counts.max())])
        return Spelt(
            words=torch.from_numpy(known[index].reshape(true.shape)),
            letters=torch.from_numpy(letters),
            counts=torch.from_numpy(counts),
            places=torch.from_numpy(index.reshape(true.shape)),
            lengths=torch.from_numpy(lengths),
            pieces=None if self.spelling is None else self.spelling.batch(texts),
        )


@dataclass(frozen=True)
class Reader:
    """How texts become words and numbers.

    Args:
        words: all that were learned from, the most frequent first.
        letters: all that they are spelt with.
        lowercase: capital letters become small ones.
        most_words: words of a text that are read, from its beginning.
        encoder: of a language model that reads the words too, where there is one.
    """

    words: Lexicon
    letters: Lexicon
    lowercase: bool
    most_words: int
    encoder: Encoder | None = None

    @classmethod
    def learn(
        cls, texts: Iterable[str], *, lowercase: bool, most_words: int, min_count: int
    ) -> "tuple[Reader, int]":
        """The lexicon and the alphabet of some texts; how many numbers are of frequent words.

        Args:
            texts: what is learned from.
            lowercase: as above.
            most_words: as above.
            min_count: times that a frequent word comes.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split_words(text, lowercase=lowercase)[:most_words])
        letters = Counter(letter for word in counts for letter in set(word))
        every, alphabet = Lexicon.from_counts(counts), Lexicon.from_counts(letters, LETTER_COUNT)
        # The most frequent come first, so these are the first numbers of all.
        frequent = len(Lexicon.from_counts(counts, min_count))
        return cls(every, alphabet, lowercase, most_words), frequent

    def read(self, texts: Sequence[str]) -> Corpus:
        """Texts as a corpus."""
        places: dict[str, int] = {}
        read, cut = [], 0
        for text in texts:
            words = split_words(text, lowercase=self.lowercase)
            cut += len(words) > self.most_words
            words = words[: self.most_words]
            read.append(np.array([places.setdefault(w, len(places)) for w in words], np.int64))
        # Padding needs a word to point to.
        distinct = tuple(places) or ("",)
        letters, counts = self._spelt(distinct)
        spelling = None if self.encoder is None else self.encoder.spelling(distinct)
        numbers = self.words.ids(distinct)
        return Corpus(distinct, numbers, letters, counts, tuple(read), cut, spelling)

    def _spelt(self, distinct: Sequence[str]) -> tuple[Indices, Indices]:
        counts = np.array([min(max(1, len(word)), MOST_LETTERS) for word in distinct], np.int64)
        letters = np.full((len(distinct), int(counts.max())), UNKNOWN, np.int64)
        for row, word in zip(letters, distinct, strict=True):
            ids = self.letters.ids(word[:MOST_LETTERS])
            row[: len(ids)] = ids
        return letters, counts
