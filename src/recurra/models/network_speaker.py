"""A network at work: the decoder says, a step at a time, what a search chooses.

A memory is prepared once, and repeated for the rows that say its source. Rows have places in what
runs; as long as they move among the places of their own source, states move and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.engine import Tree, leaves, refill, tree_map
from recurra.layers.attention import AttendingContext
from recurra.layers.runners import runner_of
from recurra.models.copying import mixture
from recurra.models.decoder import Begun, Decoder, Saying, open_where_nothing
from recurra.models.source import Source
from recurra.models.speaker import Speaker

# Places beside which it costs next to nothing that some of them speak to nobody.
FEW = 8


class NetworkSpeaker(Speaker):
    """A decoder that says answers to sources.

    Args:
        decoder: in evaluation; its weights are copied.
        source: what is answered, B sequences.
        begun: what stands before the first step, a row a source.
        copies: rows a source.
        unknown: what is fed in the place of a token that the vocabulary does not have.
        weights: as in `Cell.sequence`.
    """

    # Each row's source and place, and the source that each place has the memory of.
    _sources: Tensor
    _places: Tensor
    _owners: Tensor
    _whole: bool
    _shares: Tensor

    def __init__(
        self,
        decoder: Decoder,
        source: Source,
        begun: Begun,
        copies: int,
        unknown: int,
        weights: torch.dtype | None = None,
    ) -> None:
        B, self._length = source.ids.shape
        self._table, self._vocabulary = decoder.table.weight.detach(), decoder.head.output_size
        self._unknown, self._weights = unknown, weights
        self._memory = begun.context.memory
        places = self._memory.values.shape[1]
        self._cell = Saying(decoder, places)
        self._copied = _copied(decoder, source, places)
        self.size = self._vocabulary
        if self._copied is not None and self._copied.numel():
            self.size = max(self.size, int(self._copied.max()) + 1)
        sources = torch.arange(B).repeat_interleave(copies)
        self._move_in(sources, _picked(begun.state, sources))

    @torch.no_grad()
    def step(self, tokens: Int[Tensor, " N"]) -> Float[Tensor, "N V"]:
        y = self._answer(tokens.masked_fill(tokens >= self._vocabulary, self._unknown))
        V, S = self._vocabulary, self._memory.values.shape[1]
        shares = y[:, y.shape[1] - S :]
        self._shares = shares[:, : self._length]
        if self._copied is None:
            return torch.log_softmax(y[:, :V], 1)
        there = self._memory.there
        gate = open_where_nothing(y[:, V], None if there is None else there[self._sources])
        return mixture(y[:, :V], gate, shares, self._copied[self._sources], self.size)

    @torch.no_grad()
    def keep(self, rows: Int[Tensor, " M"]) -> None:
        sources, before = self._sources[rows], self._places[rows]
        P = len(self._owners)
        places = _places_for(sources, self._owners)
        if places is None or (FEW < P and 0 < 2 * len(rows) <= P):
            state = refill(self._cell.initial_state(1), self._runner.states)
            self._move_in(sources, _picked(state, before))
            return
        every = torch.arange(P)
        origin = every.index_copy(0, places, before)
        for state in self._runner.states:
            state.copy_(state[origin])
        self._sources, self._places, self.rows = sources, places, len(rows)
        self._whole = torch.equal(places, every)

    @property
    def shares(self) -> Float[Tensor, "N S"]:
        return self._shares

    def _answer(self, ids: Tensor) -> Tensor:
        """The next of what `Saying` gives, (N, Y)."""
        if not self._whole:
            ids = ids.new_zeros(len(self._owners)).index_copy_(0, self._places, ids)
        x = self._table[ids][:, None]
        y = x.new_empty(len(ids), 1, self._cell.output_size)
        self._runner.run(x, y)
        return y[:, 0] if self._whole else y[self._places, 0]

    def _move_in(self, sources: Tensor, state: Tree) -> None:
        """Give each row a place of its own, with the memory of its source.

        Args:
            sources: of each row.
        """
        self.rows = len(sources)
        context = AttendingContext(_picked(self._memory, sources))
        example = self._table.new_zeros(self.rows, 1, self._cell.input_size)
        # The network may go on learning while it is asked.
        with evaluating(self._cell):
            self._runner = runner_of(self._cell, context, self._weights, example)
        self._runner.resize(self.rows)
        for own, came in zip(self._runner.states, leaves(state), strict=True):
            own.copy_(came)
        self._sources, self._places, self._owners = sources, torch.arange(self.rows), sources
        self._whole = True


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """A network in evaluation, and each part of it then as before."""
    before = {part: part.training for part in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for part, training in before.items():
            part.training = training


def _places_for(sources: Tensor, owners: Tensor) -> Tensor | None:
    """A place of its own source for each row; None where there are not enough."""
    if torch.equal(sources, owners):
        return torch.arange(len(owners))
    count = torch.bincount(owners, minlength=int(sources.max()) + 1 if len(sources) else 0)
    begin = count.cumsum(0) - count
    found = torch.empty_like(sources)
    order = sources.argsort(stable=True)
    ranked = sources[order]
    rank = torch.arange(len(order)) - torch.searchsorted(ranked, ranked)
    if bool((rank >= count[ranked]).any()):
        return None
    found[order] = owners.argsort(stable=True)[begin[ranked] + rank]
    return found


def _copied(decoder: Decoder, source: Source, places: int) -> Int[Tensor, "B S"] | None:
    """The token of each place, where the decoder copies."""
    if decoder.gate is None or source.copied is None:
        return None
    there = torch.arange(source.ids.shape[1]) < source.lengths[:, None]
    return F.pad(source.copied.where(there, 0), (0, places - source.ids.shape[1]))


def _picked(tree: Tree, rows: Tensor) -> Tree:
    return tree_map(lambda part: part.index_select(0, rows), tree)
