"""A network that gives every word of a sentence a tag.

    x_t   = the vector of the word at t, from its own row and from its letters; beside it, where
            there is an encoder, what that knows after the word
    h_t   = recurrent layers over x, each from both ends
    s_t   = W h_t + b                      a score for each tag
    p(y)  = Π_t softmax(s_t)[y_t], or that of a conditional random field over s

Features of x and of h are dropped for a whole sentence at a time.

Source: Lample et al., "Neural Architectures for Named Entity Recognition", 2016, arXiv:1603.01360,
section 2; dropout for a sequence: Gal and Ghahramani, "A Theoretically Grounded Application of
Dropout in Recurrent Neural Networks", 2016, arXiv:1512.05287, section 4.2.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.layers import CRF, Stack
from recurra.layers.around import check_rate, keep_mask
from recurra.models.pretrained import Pieces, Pretrained
from recurra.models.words import WordFeatures


class Words(NamedTuple):
    """A batch of sentences, as `WordFeatures.forward` and an encoder take them."""

    words: Int[Tensor, "B T"]
    letters: Int[Tensor, "W C"]
    counts: Int[Tensor, " W"]
    places: Int[Tensor, "B T"]
    lengths: Int[Tensor, " B"]
    pieces: Pieces | None = None


class WordTagger(nn.Module):
    """Scores for the tags of each word, and what follows from them.

    Args:
        features: vectors of words.
        layers: recurrent layers on top of them, such as `Bidirectional` ones.
        tags: how many there are, K.
        crf: scores tags beside each other; where there is none, each word's tag stands alone.
        dropout: share of the features of words, and of what the layers give, dropped in training.
        encoder: reads the same words, and its features stand behind those of `features`.
    """

    def __init__(
        self,
        features: WordFeatures,
        layers: Stack,
        tags: int,
        *,
        crf: CRF | None = None,
        dropout: float = 0.0,
        encoder: Pretrained | None = None,
    ) -> None:
        super().__init__()
        check_rate("WordTagger", "dropout", dropout)
        self.features, self.layers, self.crf, self.dropout = features, layers, crf, dropout
        self.encoder = encoder
        self.head = nn.Linear(layers.output_size, tags)

    def forward(self, batch: Words) -> Float[Tensor, "B T K"]:
        """A score for each tag of each word; nothing is meant past a row's length."""
        x = self.features(*batch[:-1])
        if self.encoder is not None and batch.pieces is not None:
            x = torch.cat([x, self.encoder.of_words(batch.pieces)], dim=2)
        x = self._some_dropped(x)
        h, _ = self.layers.sequence(x, lengths=batch.lengths)
        scores: Tensor = self.head(self._some_dropped(h))
        return scores

    def loss(
        self,
        scores: Float[Tensor, "B T K"],
        tags: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """What the true tags cost, -log p, a word."""
        if self.crf is not None:
            total = self.crf.log_likelihood(scores, tags, lengths).sum()
            return -total / lengths.sum().clamp(min=1)
        true = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
        return F.cross_entropy(scores[true], tags[true])

    def best(
        self, scores: Float[Tensor, "B T K"], lengths: Int[Tensor, " B"]
    ) -> tuple[Int[Tensor, "B T"], Float[Tensor, "B T"]]:
        """The tags that are most likely together, and the probability of each by itself."""
        if self.crf is None:
            confidence, tags = scores.softmax(dim=2).max(dim=2)
            return tags, confidence
        tags = self.crf.best(scores, lengths)
        return tags, self.crf.marginals(scores, lengths).gather(2, tags[..., None])[..., 0]

    def _some_dropped(self, x: Tensor) -> Tensor:
        if not self.training or self.dropout == 0:
            return x
        return x * keep_mask(x.detach(), (len(x), 1, x.shape[2]), self.dropout)
