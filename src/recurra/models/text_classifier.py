"""A text's class from its words, read from both ends.

    x_t = m * features(w_t)                        the same features m dropped at all words
    y_t = stack of bidirectional layers over x
    p   = [mean_t y_t, max_t y_t, sum_t a_t y_t]   or some of them
    logits = V dropout(p) + c

Source: max over time: Lai et al., "Recurrent Convolutional Neural Networks for Text
Classification", 2015, AAAI, equation 5; several summaries beside one another: Howard and Ruder,
"Universal Language Model Fine-tuning for Text Classification", 2018, arXiv:1801.06146, section 3.3.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from recurra.cells import Cell
from recurra.errors import OptionError, ShapeError
from recurra.layers import Bidirectional, Embedding, Stack
from recurra.layers.around import check_rate, keep_mask
from recurra.layers.pooling import Pooling
from recurra.models.pretrained import Pieces, Pretrained
from recurra.models.words import UNKNOWN, WordFeatures

SUMMARIES = ("mean", "max", "attention")


class Spelt(NamedTuple):
    """Texts as numbers: what `WordFeatures.forward` takes, and what an encoder reads."""

    words: Int[Tensor, "B T"]
    letters: Int[Tensor, "W C"]
    counts: Int[Tensor, " W"]
    places: Int[Tensor, "B T"]
    lengths: Int[Tensor, " B"]
    pieces: Pieces | None = None


class WholeWords(nn.Module):
    """A vector for every word of a batch of texts, whatever its letters.

    In training some words are taken for unknown, so that row 0 learns what words that nobody has
    seen are like.

    Args:
        vocab_size: rows of the table of words, V; row 0 is of unknown words.
        word_size: features of a word's vector.
        word_dropout: probability that a word is taken for unknown while training.

    Attributes:
        output_size: features of the vector of a word, E.
    """

    def __init__(self, vocab_size: int, word_size: int, *, word_dropout: float = 0.1) -> None:
        super().__init__()
        check_rate("WholeWords", "word_dropout", word_dropout)
        self.word_dropout = word_dropout
        self.words = Embedding(vocab_size, word_size)
        self.output_size = word_size

    def forward(self, texts: Spelt) -> Float[Tensor, "B T E"]:
        """The vectors of all words; past a text's length they are 0."""
        words = texts.words
        if self.training and self.word_dropout:
            drawn = torch.rand(words.shape, device=words.device) < self.word_dropout
            words = words.masked_fill(drawn, UNKNOWN)
        vectors, _ = self.words.sequence(words, lengths=texts.lengths)
        return vectors


class PooledClassifier(nn.Module):
    """Reads texts of any length, and scores each class.

    Args:
        features: makes a vector of each word.
        cell: makes a cell, from the size of its input and of its output.
        hidden_size: units of each direction, H.
        num_layers: bidirectional layers on top of one another.
        classes: how many there are, K.
        pooling: how outputs over time become one vector; names in POOLINGS.
        dropout: share of features dropped from words and between layers, at all words of a text
            the same, and from the summary.

    Raises:
        OptionError: there are fewer than two classes or no layer, or a rate is none.
    """

    def __init__(
        self,
        features: WordFeatures | WholeWords,
        cell: Callable[[int, int], Cell[Any]],
        *,
        hidden_size: int,
        classes: int,
        num_layers: int = 1,
        pooling: Sequence[str] = SUMMARIES,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if classes < 2 or num_layers < 1:
            raise OptionError(
                f"PooledClassifier: {classes} classes and {num_layers} layers; it takes two "
                "classes and one layer at least"
            )
        check_rate("PooledClassifier", "dropout", dropout)
        self.rate = dropout
        self.features = features
        sizes = [features.output_size, *[2 * hidden_size] * (num_layers - 1)]
        layers = [Bidirectional(cell(size, hidden_size), cell(size, hidden_size)) for size in sizes]
        self.layers = Stack(layers, dropout=dropout)
        self.pooling = Pooling(self.layers.output_size, pooling, ahead=hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.pooling.output_size, classes)

    def forward(self, texts: Spelt) -> Float[Tensor, "B K"]:
        """The score of each class; softmax makes probabilities of them."""
        whole = isinstance(self.features, WholeWords)
        x = self.features(texts) if whole else self.features(*texts[:-1])
        if self.training and self.rate:
            x = x * keep_mask(x.detach(), (x.shape[0], x.shape[2]), self.rate)[:, None]
        y, _ = self.layers.sequence(x, lengths=texts.lengths)
        scores: Tensor = self.head(self.dropout(self.pooling(y, texts.lengths)))
        return scores


class PretrainedClassifier(nn.Module):
    """Scores classes by what a language network's layers know of a text, at its end and all along.

    Args:
        encoder: reads the tokens.
        classes: how many there are, K.
        pooling: how features over time become one vector, beside the last ones; names in POOLINGS.
        dropout: share of the summary's features that is dropped.
    """

    def __init__(
        self,
        encoder: Pretrained,
        classes: int,
        *,
        pooling: Sequence[str] = SUMMARIES,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_rate("PretrainedClassifier", "dropout", dropout)
        self.encoder = encoder
        self.pooling = Pooling(encoder.output_size, pooling)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.output_size + self.pooling.output_size, classes)

    def forward(self, texts: Spelt) -> Float[Tensor, "B K"]:
        """The score of each class; softmax makes probabilities of them.

        Raises:
            ShapeError: the texts bring no tokens.
        """
        if texts.pieces is None:
            raise ShapeError("PretrainedClassifier: the texts have no pieces for its encoder")
        ids, lengths, _ = texts.pieces
        h = self.encoder(ids, lengths)
        last = h[torch.arange(len(h), device=h.device), (lengths - 1).clamp(min=0)]
        summary = torch.cat([last, self.pooling(h, lengths)], dim=1)
        scores: Tensor = self.head(self.dropout(summary))
        return scores
