"""A network from a sequence to a sequence, made from a few words and sizes."""

from itertools import pairwise
from typing import Any, NamedTuple

from torch import nn

from recurra.cells import CELLS, Cell
from recurra.errors import OptionError
from recurra.layers import (
    Bidirectional,
    Convolution,
    Embedding,
    Head,
    Layer,
    Scores,
    SelfAttention,
    Stack,
    Tied,
)
from recurra.layers.attention import (
    Additive,
    Attending,
    Attention,
    Covering,
    Location,
    Luong,
    Monotonic,
    MultiHead,
)
from recurra.models.decoder import Decoder
from recurra.models.encoder import Encoder
from recurra.models.seq2seq import Seq2Seq

ATTENTIONS = ("additive", "dot", "general", "concat", "location", "monotonic", "multi-head")
# Those that look with what the decoder was before its step.
FIRST = ("additive", "location", "monotonic")
# Those whose state has a number for each place that a source may have.
PLACED = ("location", "monotonic")
TIED = ("none", "target", "all")
# What a tied table begins with lies within; as a head's it would else begin with bold answers.
TIED_BOUND = 0.1


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
        end: the token that ends a sentence; to the network it is one of the target's like any.
        unknown: as of `Seq2Seq`.
        attention: a name in ATTENTIONS.
        heads: of "multi-head".
        dropout: share of features dropped from tables, between layers and before the head.
        tied: "target": the head's matrix is the target's table; "all": the source's as well.
        copy: tokens of the source may be said again.
        coverage: factor of the coverage loss, and whether "additive" knows where it looked; 0 for
            neither.
        convolution: places that a convolution in front of the encoder's layers sees, odd; 0 for
            none.
        self_attention: heads of a self-attention between the encoder's layers; 0 for none.
        places: the most that a source may have, for attentions in PLACED and for coverage.

    Raises:
        OptionError: options do not fit each other.
    """
    H, E = hidden_size, embedding_size
    _check(attention, tied, H, encoder_layers, decoder_layers)
    _check_widths(H, heads if attention == "multi-head" else 1, self_attention, convolution)
    if copy and attention == "monotonic":
        raise OptionError(
            "--copy does not go with --attention monotonic, whose shares may add up to less than "
            "1; any other attention fits"
        )
    limited = attention in PLACED or coverage > 0
    _check_places(attention, coverage, places if limited else None)
    tables = _tables(source_size, target_size, E, tied)
    make: Any = CELLS[cell]
    encoder = Encoder(
        tables.source,
        Stack(_reading(make, E, H, encoder_layers, convolution, self_attention), dropout),
        dropout=dropout,
        most=places if limited else 0,
    )
    sizes = (E + H, *[H] * decoder_layers)
    cells: list[Cell[Any]] = [make(*pair) for pair in pairwise(sizes)]
    first = attention in FIRST
    attending = Attending(
        cells[0] if decoder_layers == 1 else Stack(cells, dropout),
        Covering(H, H, H, places) if coverage else _attention(attention, H, heads, places),
        first=first,
        combine=not first,
    )
    head: Head = Scores(H, target_size) if tied == "none" else Tied(tables.target, H)
    decoder = Decoder(
        tables.target, attending, head, memory_size=H, hidden_size=H, copy=copy, dropout=dropout
    )
    return Seq2Seq(encoder, decoder, begin=begin, unknown=unknown, coverage=coverage)


class _Tables(NamedTuple):
    source: Embedding
    target: Embedding


def _tables(source_size: int, target_size: int, width: int, tied: str) -> _Tables:
    """The tables of both sides, which may be one.

    Raises:
        OptionError: they are to be one, and are not as large.
    """
    if tied == "all" and source_size != target_size:
        raise OptionError(
            f"--tied is all, which takes one vocabulary; the source has {source_size} tokens, the "
            f"target {target_size}"
        )
    target = Embedding(target_size, width)
    if tied != "none":
        nn.init.uniform_(target.weight, -TIED_BOUND, TIED_BOUND)
    return _Tables(target if tied == "all" else Embedding(source_size, width), target)


def _reading(
    make: Any, width: int, hidden_size: int, count: int, convolution: int, heads: int
) -> list[Layer]:
    """The layers of an encoder, from its table to its memory."""
    layers: list[Layer] = []
    if convolution:
        layers.append(Convolution(width, hidden_size, convolution))
        width = hidden_size
    half = hidden_size // 2
    for number in range(count):
        # What looks at all places stands behind each layer but the last; behind one alone too.
        layers.append(Bidirectional(make(width, half), make(width, half)))
        if heads and number < max(count - 1, 1):
            layers.append(SelfAttention(hidden_size, heads))
        width = hidden_size
    return layers


def _attention(name: str, H: int, heads: int, places: int) -> Attention:
    """Queries and memory are as wide as the decoder."""
    if name == "additive":
        return Additive(H, H, H)
    if name == "location":
        return Location(H, H, H, places)
    if name == "monotonic":
        return Monotonic(H, H, H, places)
    if name == "multi-head":
        return MultiHead(H, H, H, heads)
    return Luong(H, H, name)


def _check(
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


def _check_widths(hidden_size: int, heads: int, self_attention: int, convolution: int) -> None:
    for name, count in (("heads", heads), ("self-attention", self_attention or 1)):
        if count < 1 or hidden_size % count:
            raise OptionError(
                f"--{name} is {count}; a divisor of --hidden-size fits, which is {hidden_size}"
            )
    if convolution and (convolution < 1 or convolution % 2 == 0):
        raise OptionError(f"--convolution is {convolution}; an odd number fits, or 0 for none")


def _check_places(attention: str, coverage: float, places: int | None) -> None:
    """Refuse a coverage that is none; and too few places, where it is asked how many there are."""
    if coverage < 0 or (coverage and attention != "additive"):
        raise OptionError(
            f"--coverage is {coverage} with --attention {attention}; a number above 0 fits "
            "--attention additive, 0 any"
        )
    if places is not None and places < 1:
        raise OptionError(
            f"build_seq2seq: places is {places}; --attention {attention} takes the most that a "
            "source may have, at least 1"
        )
