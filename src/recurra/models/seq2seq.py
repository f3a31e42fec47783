"""From a sequence to a sequence: an encoder, and a decoder that attends to what it read.

    loss = mean over all tokens of -log P(y_t | y_1 … y_{t-1}, source)

Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", 2014, arXiv:1409.0473; Luong, Pham and Manning, "Effective Approaches to Attention-based
Neural Machine Translation", 2015, arXiv:1508.04025.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells import CELLS, Cell
from recurra.errors import OptionError, ShapeError
from recurra.layers import Bidirectional, Embedding, Head, Scores, Stack, Tied
from recurra.layers.attention import (
    Additive,
    Attending,
    Attention,
    Location,
    Luong,
    MultiHead,
)
from recurra.models.copying import mixed_nats
from recurra.models.decoder import Answers, Begun, Decoder
from recurra.models.encoder import Encoder
from recurra.models.network_speaker import NetworkSpeaker
from recurra.models.own_words import own_words
from recurra.models.source import Source, Target
from recurra.models.speaker import Speaker

ATTENTIONS = ("additive", "dot", "general", "concat", "location", "multi-head")
# Those that look with what the decoder was before its step.
FIRST = ("additive", "location")
# Those whose state has a number for each place that a source may have.
PLACED = ("location",)
TIED = ("none", "target", "all")
# What a tied table begins with lies within; as a head's it would else begin with bold answers.
TIED_BOUND = 0.1


class Seq2Seq(nn.Module):
    """Says one sequence after reading another.

    Args:
        encoder: reads the source.
        decoder: says the target.
        begin: the token that stands before a sentence.
        unknown: what is fed in the place of a token that was copied and that the vocabulary does
            not have; `begin` when not given.
    """

    def __init__(
        self, encoder: Encoder, decoder: Decoder, *, begin: int, unknown: int | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.first, self.unknown = begin, begin if unknown is None else unknown

    def loss(
        self, source: Source, target: Target, *, smoothing: float = 0.0, sampling: float = 0.0
    ) -> Float[Tensor, ""]:
        """Mean nats a target token.

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
        answers = self.decoder(inputs, target.lengths, begun)
        ids, count = _true_ids(target), target.lengths.sum().clamp(min=1)
        if answers.gate is None:
            return self.decoder.head.nats(answers.h, ids, smoothing) / count
        return self._mixed(answers, answers.gate, source, ids, smoothing).sum() / count

    def nats(self, source: Source, target: Target) -> Float[Tensor, "B T"]:
        """-log P of each token, in evaluation; 0 past a row's length.

        Raises:
            ShapeError: source and target do not fit together or the network.
        """
        self._check(source, target)
        with torch.no_grad(), _evaluating(self):
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
        with torch.no_grad(), _evaluating(self):
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


def build_seq2seq(
    *,
    source_size: int,
    target_size: int,
    begin: int,
    cell: str,
    hidden_size: int,
    embedding_size: int,
    end: int | None = None,
    unknown: int | None = None,
    encoder_layers: int = 1,
    decoder_layers: int = 1,
    attention: str = "additive",
    heads: int = 4,
    dropout: float = 0.0,
    tied: str = "none",
    copy: bool = False,
    coverage: float = 0.0,
    convolution: int = 0,
    self_attention: int = 0,
    places: int = 0,
) -> Seq2Seq:
    """A network with weights drawn afresh.

    Args:
        source_size: tokens of the source's vocabulary.
        target_size: of the target's, V.
        begin: the token before a sentence, of the target's vocabulary.
        cell: a name in CELLS of one that reads features.
        hidden_size: units of the decoder, and of both directions of the encoder together.
        embedding_size: features of a token.
        end: the token that ends a sentence; it is one of the target's like any other.
        unknown: as of `Seq2Seq`.
        attention: a name in ATTENTIONS.
        heads: of "multi-head".
        dropout: share of features dropped from tables, between layers and before the head.
        tied: "target": the head's matrix is the target's table; "all": the source's as well.
        copy: tokens of the source may be said again.
        places: the most that a source may have, for attentions in PLACED.

    Raises:
        OptionError: options do not fit each other.
    """
    _check_options(attention, tied, hidden_size, encoder_layers, decoder_layers)
    if tied == "all" and source_size != target_size:
        raise OptionError(
            f"--tied is all, which takes one vocabulary; the source has {source_size} tokens, the "
            f"target {target_size}"
        )
    if attention in PLACED and places < 1:
        raise OptionError(f"--attention {attention} takes `places`, the most that a source has")
    make: Any = CELLS[cell]
    target_table = _table(target_size, embedding_size, tied != "none")
    source_table = target_table if tied == "all" else _table(source_size, embedding_size, False)
    half, widths = hidden_size // 2, (embedding_size, *[hidden_size] * (encoder_layers - 1))
    layers = [Bidirectional(make(width, half), make(width, half)) for width in widths]
    encoder = Encoder(
        source_table,
        Stack(layers, dropout),
        dropout=dropout,
        most=places if attention in PLACED else 0,
    )
    sizes = (embedding_size + hidden_size, *[hidden_size] * decoder_layers)
    cells: list[Cell[Any]] = [make(*pair) for pair in pairwise(sizes)]
    first = attention in FIRST
    attending = Attending(
        cells[0] if decoder_layers == 1 else Stack(cells, dropout),
        _attention(attention, hidden_size, heads, places),
        first=first,
        combine=not first,
    )
    head: Head = Scores(hidden_size, target_size)
    if tied != "none":
        head = Tied(target_table, hidden_size)
    decoder = Decoder(
        target_table,
        attending,
        head,
        memory_size=hidden_size,
        hidden_size=hidden_size,
        copy=copy,
        dropout=dropout,
    )
    return Seq2Seq(encoder, decoder, begin=begin, unknown=unknown)


def _table(size: int, width: int, tied: bool) -> Embedding:
    table = Embedding(size, width)
    if tied:
        nn.init.uniform_(table.weight, -TIED_BOUND, TIED_BOUND)
    return table


def _attention(name: str, H: int, heads: int, places: int) -> Attention:
    """Queries and memory are as wide as the decoder."""
    if name == "additive":
        return Additive(H, H, H)
    if name == "location":
        return Location(H, H, H, places)
    if name == "multi-head":
        return MultiHead(H, H, H, heads)
    return Luong(H, H, name)


def _check_options(
    attention: str, tied: str, hidden_size: int, encoder_layers: int, decoder_layers: int
) -> None:
    if attention not in ATTENTIONS:
        raise OptionError(f'--attention is "{attention}"; what fits: {", ".join(ATTENTIONS)}')
    if tied not in TIED:
        raise OptionError(f'--tied is "{tied}"; what fits: {", ".join(TIED)}')
    if hidden_size < 2 or hidden_size % 2:
        raise OptionError(
            f"--hidden-size is {hidden_size}; an even number fits, half of it for each direction"
        )
    for name, count in (("encoder", encoder_layers), ("decoder", decoder_layers)):
        if count < 1:
            raise OptionError(f"--{name}-layers is {count}; it is at least 1")


def _copied(source: Source, answers: Answers) -> Int[Tensor, "B S"]:
    """The token of each place of the memory, which may have more than the longest source."""
    copied = source.ids if source.copied is None else source.copied
    return F.pad(copied, (0, answers.shares.shape[2] - copied.shape[1]))


def _true_ids(target: Target) -> Int[Tensor, "B T"]:
    """The targets, and -1 past each row's length."""
    t = torch.arange(target.ids.shape[1], device=target.ids.device)
    return target.ids.masked_fill(t >= target.lengths[:, None], -1)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """In evaluation, and then as before."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
