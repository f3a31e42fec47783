"""From a sequence to a sequence: an encoder, and a decoder that attends to what it read.

    loss = mean over all tokens of -log P(y_t | y_1 … y_{t-1}, source)
           + the coverage loss of `Covering`, where its factor is not 0

Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", 2014, arXiv:1409.0473; Luong, Pham and Manning, "Effective Approaches to Attention-based
Neural Machine Translation", 2015, arXiv:1508.04025.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.errors import OptionError, ShapeError
from recurra.layers.attention import coverage_loss
from recurra.models.copying import mixed_nats
from recurra.models.decoder import Answers, Begun, Decoder
from recurra.models.encoder import Encoder
from recurra.models.network_speaker import NetworkSpeaker, evaluating
from recurra.models.own_words import own_words
from recurra.models.source import Source, Target
from recurra.models.speaker import Speaker


class Seq2Seq(nn.Module):
    """Says one sequence after reading another.

    Args:
        encoder: reads the source.
        decoder: says the target.
        begin: the token that stands before a sentence.
        unknown: what is fed in the place of a token that was copied and that the vocabulary does
            not have; `begin` when not given.
        coverage: factor of what looking twice at a place costs while learning; 0 for nothing.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        *,
        begin: int,
        unknown: int | None = None,
        coverage: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.first, self.unknown = begin, begin if unknown is None else unknown
        self.coverage = coverage

    def loss(
        self, source: Source, target: Target, *, smoothing: float = 0.0, sampling: float = 0.0
    ) -> Float[Tensor, ""]:
        """Mean nats a target token, and what looking twice costs.

        Args:
            smoothing: the share of each target that is spread over the vocabulary, 0 … below 1.
            sampling: the share of inputs that are the network's own words, 0 … 1.

        Raises:
            OptionError: smoothing or sampling does not fit.
            ShapeError: source and target do not fit together or the network.
        """
        if not 0 <= smoothing < 1 or not 0 <= sampling <= 1:
            raise OptionError(
                f"Seq2Seq: smoothing is {smoothing} and sampling {sampling}; the one lies in "
                "[0, 1), the other in [0, 1]"
            )
        self._check(source, target)
        begun = self.decoder.begin(self.encoder(source))
        inputs = self._inputs(target)
        if sampling:
            inputs = self._own_words(inputs, source, target, begun, sampling)
        answers = self.decoder(inputs, target.lengths, begun, shares=self.coverage > 0)
        ids, count = _true_ids(target), target.lengths.sum().clamp(min=1)
        if answers.gate is None:
            found = self.decoder.head.nats(answers.h, ids, smoothing) / count
        else:
            found = self._mixed(answers, answers.gate, source, ids, smoothing).sum() / count
        if self.coverage:
            found = found + self.coverage * coverage_loss(answers.shares, target.lengths)
        return found

    def nats(self, source: Source, target: Target) -> Float[Tensor, "B T"]:
        """-log P of each token, in evaluation; 0 past a row's length.

        Raises:
            ShapeError: source and target do not fit together or the network.
        """
        self._check(source, target)
        with torch.no_grad(), evaluating(self):
            begun = self.decoder.begin(self.encoder(source))
            answers = self.decoder(self._inputs(target), target.lengths, begun)
            ids = _true_ids(target)
            if answers.gate is None:
                return self.decoder.head.each(answers.h, ids)
            return self._mixed(answers, answers.gate, source, ids)

    def speaker(
        self, source: Source, copies: int = 1, *, weights: torch.dtype | None = None
    ) -> Speaker:
        """The network about to say its answers, in evaluation; its weights are copied.

        Args:
            copies: rows a source; those of source b are b * copies and the next ones.
            weights: torch.bfloat16 rounds the matrices of products to it, as in `Cell.sequence`: a
                large vocabulary reads half the memory.

        Raises:
            OptionError: copies is below 1, or weights do not fit.
            ShapeError: the source does not fit the network.
        """
        if copies < 1:
            raise OptionError(f"Seq2Seq: copies is {copies}, it must be at least 1")
        self._check(source)
        with torch.no_grad(), evaluating(self):
            begun = self.decoder.begin(self.encoder(source))
            return NetworkSpeaker(self.decoder, source, begun, copies, self.unknown, weights)

    def _inputs(self, target: Target) -> Int[Tensor, "B T"]:
        """The begin of a sentence, and each token but the last."""
        ids = target.ids.roll(1, 1)
        ids[:, :1] = self.first
        return self._known(ids)

    def _known(self, ids: Tensor) -> Int[Tensor, "B T"]:
        """What can be looked up in the table."""
        V = self.decoder.table.input_size
        return ids.masked_fill(ids >= V, self.unknown).clamp(min=0)

    def _own_words(
        self, inputs: Tensor, source: Source, target: Target, begun: Begun, share: float
    ) -> Int[Tensor, "B T"]:
        with torch.no_grad():
            answers = self.decoder(inputs, target.lengths, begun)
            copied = None if answers.gate is None else _copied(source, answers)
            return self._known(own_words(inputs, answers, self.decoder.head, copied, share))

    def _mixed(
        self, answers: Answers, gate: Tensor, source: Source, ids: Tensor, smoothing: float = 0.0
    ) -> Float[Tensor, "B T"]:
        """The nats of each true token where the decoder copies."""
        shares = answers.shares
        scores = self.decoder.head.step(answers.h, ())[0].to(shares.dtype)
        copied = _copied(source, answers)
        return mixed_nats(scores, gate.to(shares.dtype), shares, copied, ids, smoothing)

    def _check(self, source: Source, target: Target | None = None) -> None:
        B, S = source.ids.shape
        most = self.encoder.most
        if most and most < S:
            raise ShapeError(f"Seq2Seq: a source has {S} places, the network is built for {most}")
        if self.decoder.gate is not None and source.copied is None:
            raise ShapeError(
                "Seq2Seq: the network copies, and the source comes without `copied`, which says "
                "which token each place is"
            )
        if target is not None and len(target.ids) != B:
            raise ShapeError(f"Seq2Seq: {B} sources beside {len(target.ids)} targets")


def _copied(source: Source, answers: Answers) -> Int[Tensor, "B S"]:
    """The token of each place of the memory, which may have more than the longest source."""
    copied = source.ids if source.copied is None else source.copied
    return F.pad(copied, (0, answers.shares.shape[2] - copied.shape[1]))


def _true_ids(target: Target) -> Int[Tensor, "B T"]:
    """The targets, and -1 past each row's length."""
    t = torch.arange(target.ids.shape[1], device=target.ids.device)
    return target.ids.masked_fill(t >= target.lengths[:, None], -1)
