"""Words as vectors: what is known of a word as a whole, beside what its letters tell.

    e_w = table[w]                                  unknown words share row 0
    f_w = forward cell over the letters of w, its last output
    b_w = backward cell over them, its output at the first letter
    x_t = [e_w, f_w, b_w]        for the word w at t

Each distinct word of a batch is spelt once, however often it stands there. In training some words
are taken for unknown, so that row 0 learns what words that nobody has seen are like.

Source: Ling et al., "Finding Function in Form: Compositional Character Models for Open Vocabulary
Word Representation", 2015, arXiv:1508.02096, section 3; beside word vectors: Lample et al., "Neural
Architectures for Named Entity Recognition", 2016, arXiv:1603.01360, section 4.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recurra.cells import LSTM, Cell
from recurra.cells.check import positive
from recurra.engine import clear
from recurra.layers import Bidirectional, Embedding
from recurra.layers.around import check_rate

# Of words that are not in the vocabulary, and of letters that are not in the alphabet.
UNKNOWN = 0
# Vectors of words begin small, so that letters are heard from the first step on: most words come
# too rarely to be known by heart.
WORD_SCALE = 0.1


class WordFeatures(nn.Module):
    """A vector for every word of a batch of sentences.

    Args:
        vocab_size: rows of the table of words, V; row 0 is of unknown words.
        word_size: features of a word's own vector.
        alphabet_size: rows of the table of letters; row 0 is of unknown letters.
        char_size: features of a letter's vector, and units of each direction that reads letters.
        cell: makes a cell that reads letters, from the size of its input and of its output.
        word_dropout: probability that a word is taken for unknown while training.

    Attributes:
        output_size: features of the vector of a word, E.
    """

    def __init__(
        self,
        vocab_size: int,
        word_size: int,
        alphabet_size: int,
        char_size: int,
        *,
        cell: Callable[[int, int], Cell[Any]] = LSTM,
        word_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        positive("WordFeatures", char_size=char_size)
        check_rate("WordFeatures", "word_dropout", word_dropout)
        self.word_dropout = word_dropout
        self.words = Embedding(vocab_size, word_size)
        nn.init.normal_(self.words.weight, std=WORD_SCALE)
        self.letters = Embedding(alphabet_size, char_size)
        self.spelling = Bidirectional(cell(char_size, char_size), cell(char_size, char_size))
        self.output_size = word_size + self.spelling.output_size

    def forward(
        self,
        words: Int[Tensor, "B T"],
        letters: Int[Tensor, "W C"],
        counts: Int[Tensor, " W"],
        index: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B T E"]:
        """The vectors of all words; past a row's length they are 0.

        Args:
            words: numbers of the words, below V.
            letters: of each distinct word of the batch, padded on the right.
            counts: letters of each, at least 1.
            index: which of the distinct words stands where.
            lengths: words of each row; all when not given.
        """
        known, _ = self.words.sequence(self._some_unknown(words), lengths=lengths)
        if lengths is None:
            return torch.cat([known, self.spelt(letters, counts)[index]], dim=-1)
        dead = torch.arange(words.shape[1], device=words.device) >= lengths[:, None]
        spelt = self.spelt(letters, counts)[index.masked_fill(dead, 0)]
        return torch.cat([known, clear(dead, spelt)], dim=-1)

    def spelt(self, letters: Int[Tensor, "W C"], counts: Int[Tensor, " W"]) -> Float[Tensor, "W S"]:
        """What each distinct word's letters tell, read from both of its ends."""
        vectors, _ = self.letters.sequence(letters, lengths=counts)
        y, _ = self.spelling.sequence(vectors, lengths=counts)
        ahead = self.spelling.forward_cell.output_size
        last = (counts - 1).clamp(min=0)[:, None, None].expand(-1, 1, ahead)
        return torch.cat([y[..., :ahead].gather(1, last)[:, 0], y[:, 0, ahead:]], dim=-1)

    def _some_unknown(self, words: Tensor) -> Tensor:
        if not self.training or self.word_dropout == 0:
            return words
        drawn = torch.rand(words.shape, device=words.device) < self.word_dropout
        return words.masked_fill(drawn, UNKNOWN)
