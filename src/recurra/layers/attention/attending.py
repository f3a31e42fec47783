"""A decoder: a cell that reads a memory at every step.

    look first (Bahdanau)
        c_t = attention(s_{t-1})       s_t = cell([x_t; c_t])         y_t = [s_t; c_t]
    look after (Luong, Graves)
        s_t = cell([x_t; r_{t-1}])     c_t = attention(s_t)           y_t = [s_t; c_t]

r is what is fed back: c, or, where the two are combined, tanh(W_c [c; s]), which is y then.

s is the cell's output. Both begin at 0; a decoder that goes on from an encoder begins with
`AttendingState(cell's state, attention's state, last)`, `last` as wide as s or r.

Source: look first: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to
Align and Translate", 2014, arXiv:1409.0473, section 3.1; look after: Luong, Pham and Manning,
"Effective Approaches to Attention-based Neural Machine Translation", 2015, arXiv:1508.04025,
equation 5, and section 3.3 for what is fed back; Graves, "Generating Sequences With Recurrent
Neural Networks", 2013, arXiv:1308.0850, section 5.1.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells.cell import Cell
from recurra.cells.over import Step, Whole
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers.around import Around, Move, like
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Memory, Prepared, filled


class AttendingState(NamedTuple):
    """The cell's, the attention's, and `last`: s where it looks first, r where it looks after."""

    cell: Any
    attention: Any
    last: Float[Tensor, "B R"]


class AttendingContext(NamedTuple):
    """The memory, and what the cell has as its context."""

    memory: Memory | Prepared
    cell: Any = None


class Attending(Around):
    """Joins a cell and an attention.

    Its context is what `reading` makes of a `Memory`: what of it does not change is computed once a
    sequence, and the cell's noise is drawn. A `Memory` alone serves as well, more slowly: each call
    computes its part of it again, and the cell has no noise.

    Args:
        cell: reads x and what is read from the memory, side by side: its input size is F + C.
        attention: its queries are as wide as the cell's output.
        first: look with the last output, before the cell moves; else with the new one, behind it.
        combine: y is tanh(W_c [c; s]), as wide as s; only where it looks after the cell.
        feed: what was read comes to the cell with the next step; always where it looks first.
        show: how many shares come behind y, as `places` of a memory at most; 0 for none.

    Raises:
        OptionError: options contradict each other.
        ShapeError: sizes do not fit.
    """

    def __init__(
        self,
        cell: Cell[Any],
        attention: Attention,
        *,
        first: bool = True,
        combine: bool = False,
        feed: bool = True,
        show: int = 0,
    ) -> None:
        H, C = cell.output_size, attention.output_size
        super().__init__(cell, (H if combine else H + C) + show)
        _check(cell, attention, first=first, combine=combine, feed=feed, show=show)
        fed = (H if combine else C) if feed else 0
        if cell.input_size <= fed:
            raise ShapeError(
                f"Attending: the cell takes {cell.input_size} features, {fed} come from the memory,"
                " and x has at least 1"
            )
        self.input_size = cell.input_size - fed
        self.attention, self.first, self.feed, self.show = attention, first, feed, show
        self.last_size = H if first or combine else C
        own = like(cell)
        self.combine: nn.Linear | None = None
        if combine:
            self.combine = nn.Linear(C + H, H, bias=False, device=own.device, dtype=own.dtype)

    def initial_state(self, batch_size: int) -> AttendingState:
        last = like(self.cell).new_zeros(batch_size, self.last_size)
        return AttendingState(
            self.cell.initial_state(batch_size), self.attention.initial_state(batch_size), last
        )

    def sample_context(self, batch_size: int) -> Any:
        """What the cell draws; without a memory it is no context yet."""
        return self.cell.sample_context(batch_size)

    def reading(self, memory: Memory) -> AttendingContext:
        """The context of one sequence over a memory, with what the cell draws in training."""
        drawn = self.sample_context(len(memory.values))
        return AttendingContext(self.attention.prepare(memory), drawn)

    def over(
        self, x: Tensor, state: AttendingState, context: Any, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, AttendingState]:
        memory, own = _unpack(self, context)
        if self.first:
            found = self.attention.find(state.last, state.attention, memory)
            s, inner = move(torch.cat([x, found.read], -1), state.cell, own)
            last = s
        else:
            x = torch.cat([x, state.last], -1) if self.feed else x
            s, inner = move(x, state.cell, own)
            found = self.attention.find(s, state.attention, memory)
            last = found.read
        y = torch.cat([s, found.read], -1)
        if self.combine is not None:
            y = last = torch.tanh(self.combine(torch.cat([found.read, s], -1)))
        return _shown(self, y, found, self.show), AttendingState(inner, found.state, last)

    @property
    def has_parallel(self) -> bool:
        return False


class Reading(Cell[Any]):
    """An attention as a cell of its own: x is the query; its context is as that of `Attending`.

    Args:
        attention: any.
        show: as in `Attending`.
    """

    def __init__(self, attention: Attention, *, show: int = 0) -> None:
        super().__init__()
        if show < 0:
            raise OptionError(f"Reading: show is {show}, it must be at least 0")
        self.attention, self.show = attention, show
        self.input_size = attention.query_size
        self.output_size = attention.output_size + show

    def initial_state(self, batch_size: int) -> Any:
        return self.attention.initial_state(batch_size)

    def reading(self, memory: Memory) -> AttendingContext:
        """The context of one sequence over a memory."""
        return AttendingContext(self.attention.prepare(memory))

    def step(
        self, x: Float[Tensor, "B Q"], state: Any, context: Any = None
    ) -> tuple[Float[Tensor, "B C"], Any]:
        memory, _ = _unpack(self, context)
        found = self.attention.find(x, state, memory)
        return _shown(self, found.read, found, self.show), found.state


def _unpack(cell: Cell[Any], context: Any) -> AttendingContext:
    if isinstance(context, AttendingContext):
        return context
    if isinstance(context, Memory | Prepared):
        return AttendingContext(context)
    raise OptionError(
        f"{type(cell).__name__}: context is a {type(context).__name__}, a Memory fits; "
        "give it to step or sequence"
    )


def _shown(cell: Cell[Any], y: Tensor, found: Found, show: int) -> Tensor:
    """The output, and the shares behind it."""
    S = found.shares.shape[1]
    if show == 0:
        return y
    if show < S:
        where = type(cell).__name__
        raise ShapeError(f"{where}: the memory has {S} places, {show} are shown")
    return torch.cat([y, filled(found.shares, show)], -1)


def _check(
    cell: Cell[Any], attention: Attention, *, first: bool, combine: bool, feed: bool, show: int
) -> None:
    if cell.ids or cell.x_shape is not None:
        raise UnsupportedError(
            "Attending: the cell takes no features, beside which a memory stands"
        )
    if attention.query_size != cell.output_size:
        raise ShapeError(
            f"Attending: the attention takes queries of {attention.query_size}, "
            f"the cell gives {cell.output_size}"
        )
    if first and (combine or not feed):
        raise OptionError("Attending: combine and feed are for first=False")
    if show < 0:
        raise OptionError(f"Attending: show is {show}, it must be at least 0")
