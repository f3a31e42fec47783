"""A decoder that attends: from the tokens said so far to what may come next.

    x_t = m * E y_{t-1}                         y_0 begins a sentence
    r_t = attending(x_t)                        [s; c] where it looks first, tanh(W_c [c; s]) else
    h_t = m' * tanh(W_r r_t + b_r)              where it looks first, and m' * r_t else
    P(y_t) = softmax(head(h_t))                 or, where it copies, that of `copying`

Source: look first: Bahdanau, Cho and Bengio, 2014, arXiv:1409.0473, appendix A.2.2, with a tanh in
the place of the maxout; else Luong, Pham and Manning, 2015, arXiv:1508.04025, equations 5 and 6.
"""

import copy
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recurra.cells.cell import Cell
from recurra.engine import beside
from recurra.layers import Embedding, Head
from recurra.layers.around import check_rate, keep_mask
from recurra.layers.attention import Attending, AttendingContext, AttendingState
from recurra.models.bridge import Bridge
from recurra.models.encoder import Read


class Begun(NamedTuple):
    """What stands before the first step of a batch of sentences."""

    context: AttendingContext
    state: AttendingState


class Answers(NamedTuple):
    """What a decoder makes of its inputs.

    `h` is what the head reads; `shares` are of the source's places, or of none where nobody asks
    for them; `gate`, before its sigmoid, is there where the decoder copies.
    """

    h: Float[Tensor, "B T H"]
    shares: Float[Tensor, "B T S"]
    gate: Float[Tensor, "B T"] | None


class Decoder(nn.Module):
    """Tokens in, what a head reads out; over all steps at once when the tokens are known.

    Args:
        table: of the target's tokens.
        attending: reads the table's rows and the memory.
        head: scores for the target's tokens; `hidden_size` features wide.
        memory_size: features of the memory and of its summary, E.
        hidden_size: features that the head reads, H; as wide as the output of `attending` where
            that combines what it read with its own.
        copy: whether it may say again what stands in the source.
        dropout: share of features dropped from the table's rows and before the head, at all steps
            of a sentence the same.
    """

    def __init__(
        self,
        table: Embedding,
        attending: Attending,
        head: Head,
        *,
        memory_size: int,
        hidden_size: int,
        copy: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_rate("Decoder", "dropout", dropout)
        self.table, self.attending, self.head, self.dropout = table, attending, head, dropout
        self.bridge = Bridge(memory_size, attending)
        width = attending.output_size
        combined = attending.combine is not None
        self.readout = None if combined else nn.Linear(width, hidden_size)
        self.gate = nn.Linear(width + table.output_size, 1) if copy else None

    def begin(self, read: Read) -> Begun:
        """Where sentences over a memory begin; in training with the noise of the whole of them."""
        initial = self.attending.initial_state(len(read.summary))
        return Begun(self.attending.reading(read.memory), self.bridge(read.summary, initial))

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        lengths: Int[Tensor, " B"],
        begun: Begun,
        *,
        shares: bool = False,
    ) -> Answers:
        """The answers to tokens that are known beforehand.

        Args:
            shares: whether the shares of places are asked for; they always are where it copies.
        """
        x, _ = self.table.sequence(tokens, lengths=lengths)
        x = self._some_dropped(x)
        places = begun.context.memory.values.shape[1] if shares or self.gate is not None else 0
        attending = showing(self.attending, places)
        y, _ = attending.sequence(x, begun.state, begun.context, lengths=lengths)
        y, seen = y[..., : y.shape[2] - places], y[..., y.shape[2] - places :]
        h = self._some_dropped(self.read_out(y))
        gate = None
        if self.gate is not None:
            gate = self.gate(torch.cat([y, x], -1))[..., 0]
            gate = open_where_nothing(gate, begun.context.memory.there)
        return Answers(h, seen, gate)

    def read_out(self, y: Float[Tensor, "... R"]) -> Float[Tensor, "... H"]:
        """What the head reads, of what `attending` gave."""
        return y if self.readout is None else torch.tanh(self.readout(y))

    def _some_dropped(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropout:
            return x
        return x * keep_mask(x.detach(), (x.shape[0], x.shape[2]), self.dropout)[:, None]


class Saying(Cell[AttendingState]):
    """One step of a decoder in evaluation, from a row of its table to scores.

    y = [V scores; the gate, where it copies; the shares of `places` places].

    Args:
        decoder: whose weights it has.
        places: of the memory.
    """

    def __init__(self, decoder: Decoder, places: int) -> None:
        super().__init__()
        self.attending = showing(decoder.attending, places)
        self.readout, self.head, self.gate = decoder.readout, decoder.head, decoder.gate
        self.input_size, self.places = decoder.table.output_size, places
        gates = 0 if self.gate is None else 1
        self.output_size = self.head.output_size + gates + places

    def initial_state(self, batch_size: int) -> AttendingState:
        return self.attending.initial_state(batch_size)

    def step(
        self, x: Float[Tensor, "B F"], state: AttendingState, context: Any = None
    ) -> tuple[Float[Tensor, "B Y"], AttendingState]:
        y, state = self.attending.step(x, state, context)
        y, shares = y[:, : y.shape[1] - self.places], y[:, y.shape[1] - self.places :]
        h = y if self.readout is None else torch.tanh(self.readout(y))
        parts = [self.head.step(h, ())[0]]
        if self.gate is not None:
            parts.append(self.gate(torch.cat([y, x], -1)))
        return torch.cat([*parts, shares], -1), state


def open_where_nothing(
    gate: Float[Tensor, "B ..."], there: Bool[Tensor, "B S"] | None
) -> Float[Tensor, "B ..."]:
    """The gate, before its sigmoid; of a source without places nothing is copied."""
    if there is None:
        return gate
    return gate.masked_fill(beside(~there.any(1), gate), torch.inf)


def showing(attending: Attending, places: int) -> Attending:
    """The same decoder with the same weights, and shares of so many places behind its output."""
    twin = copy.copy(attending)
    twin.show, twin.output_size = places, attending.output_size + places
    return twin
