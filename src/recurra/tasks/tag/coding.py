"""Sentences as numbers, and batches of them as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import Sentence
from recurra.models import Pieces, Words
from recurra.tasks.encoder import Encoder, Spelling
from recurra.tasks.tag.vocabulary import Vocabulary

Indices = NDArray[np.int64]
# Letters that are read of a word from each of its ends; what lies between is left out.
ENDS = 32


@dataclass(frozen=True)
class Coded:
    """Sentences one behind the other.

    Args:
        offsets: (R + 1,) where each sentence begins, and the end.
        words: (N,) the number of each word.
        forms: (N,) which of the distinct words it is, as they are written.
        letters: (D, C) of each distinct word, padded with 0.
        counts: (D,) letters of each.
        tags: (N,) the number of each tag; empty where there are none.
        spelling: of the distinct words in an encoder's tokens, where there is one.
    """

    offsets: Indices
    words: Indices
    forms: Indices
    letters: Indices
    counts: Indices
    tags: Indices
    spelling: Spelling | None = None

    @property
    def lengths(self) -> Indices:
        """(R,) words of each sentence."""
        return np.diff(self.offsets)

    def batch(self, rows: Indices) -> tuple[Words, Tensor | None]:
        """Sentences as the network takes them, and their tags (B, T)."""
        lengths = self.lengths[rows]
        t = np.arange(int(lengths.max(initial=0)))
        true = t < lengths[:, None]
        at = np.where(true, self.offsets[rows][:, None] + t, self.offsets[rows][:, None])
        distinct, places = np.unique(self.forms[at], return_inverse=True)
        counts = self.counts[distinct]
        letters = self.letters[distinct][:, : int(counts.max(initial=1))]
        tags = torch.from_numpy(self.tags[at] * true) if len(self.tags) else None
        words = Words(
            words=torch.from_numpy(self.words[at] * true),
            letters=torch.from_numpy(letters),
            counts=torch.from_numpy(counts),
            places=torch.from_numpy(places.reshape(at.shape)),
            lengths=torch.from_numpy(lengths),
            pieces=self._pieces(rows),
        )
        return words, tags

    def _pieces(self, rows: Indices) -> Pieces | None:
        if self.spelling is None:
            return None
        begins, ends = self.offsets[rows], self.offsets[rows + 1]
        return self.spelling.batch(
            [self.forms[begin:end] for begin, end in zip(begins, ends, strict=True)]
        )


def code(
    vocabulary: Vocabulary,
    sentences: Sequence[Sentence],
    *,
    tagged: bool = True,
    encoder: Encoder | None = None,
) -> Coded:
    """Sentences as numbers, each of one word at least.

    Raises:
        KeyError: a tag that the vocabulary does not have.
    """
    flat = [word for sentence in sentences for word in sentence.words]
    forms: dict[str, int] = {}
    numbers = [forms.setdefault(word, len(forms)) for word in flat]
    known = np.array([vocabulary.word(form) for form in forms], np.int64)
    spelt = [[vocabulary.letter(letter) for letter in _ends(form)] for form in forms]
    counts = np.array([len(each) for each in spelt], np.int64)
    letters = np.zeros((len(spelt), int(counts.max(initial=1))), np.int64)
    for row, each in zip(letters, spelt, strict=True):
        row[: len(each)] = each
    tags = [vocabulary.tag(tag) for each in sentences for tag in each.tags] if tagged else []
    return Coded(
        offsets=np.cumsum([0, *(len(each.words) for each in sentences)]),
        words=known[numbers] if flat else known,
        forms=np.array(numbers, np.int64),
        letters=letters,
        counts=counts,
        tags=np.array(tags, np.int64),
        spelling=None if encoder is None else encoder.spelling(list(forms)),
    )


def _ends(form: str) -> str:
    return form if len(form) <= 2 * ENDS else form[:ENDS] + form[-ENDS:]
