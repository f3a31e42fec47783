"""A linear cell over one step, or over all steps at once, by the same lines.

What such a cell does between its memories treats every step alone, so it reads the same on (B, …)
and on (B, T, …). The memories themselves are asked of a `Ways`: `STEP` moves them by one step, a
`Whole` by all steps, ragged and with resets, where the state becomes zero.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Context, State
from recurra.cells.matrix import MatrixInputs, advance, chunked
from recurra.cells.scan import (
    SCAN,
    TURN,
    Pair,
    ScanInputs,
    ScanState,
    TurnInputs,
    TurnState,
    associate,
    turned,
)
from recurra.engine import Tree, beside, matrix, run, tree_map


@runtime_checkable
class Ways(Protocol):
    """How memories move. Shapes are those of one step; a `Whole` has T behind B in x and y.

    Attributes:
        native: `run` takes a step at a time and natively where it can; else a form of all steps at
            once, where there is one, may be the better way.
    """

    native: bool

    def before(self, x: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """The x of the step before, and the one to remember; both (B, …)."""

    def convolve(
        self, x: Tensor, tail: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A causal convolution of each channel by itself.

            y_t = bias + Σ_j weight[:, W-1-j] * x_{t-j}          j = 0 … W-1

        Args:
            x: (B, C).
            tail: (B, W-1, C), the inputs before, the oldest first.
            weight: (C, W), the present input's weight last.
        """

    def scan(self, keep: Tensor, add: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """h_t = keep_t * h_{t-1} + add_t, all of (B, …); every h, and the last."""

    def scan_complex(self, keep: Pair, add: Pair, h: Pair) -> tuple[Pair, Pair]:
        """As `scan`, on complex numbers as pairs of their real and imaginary parts."""

    def matrix(self, inputs: MatrixInputs, S: Tensor) -> tuple[Tensor, Tensor]:
        """A matrix a head, S (B, N, K, V), as `matrix.py` has it; o (B, N, V), and the last S."""

    def run(
        self, step: Callable[..., tuple[Tensor, Any]], x: Tree, state: Tree
    ) -> tuple[Tensor, Any]:
        """A step over time that has no parallel form; the bound method of a module."""


class Step:
    """One step."""

    native = True

    def before(self, x: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        return last, x

    def convolve(
        self, x: Tensor, tail: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        *before, now = weight.unbind(1)
        y = x * now if bias is None else x * now + bias
        for old, each in zip(tail.unbind(1), before, strict=True):
            y = y + old * each
        return y, torch.cat([tail[:, 1:], x[:, None]], 1) if before else tail

    def scan(self, keep: Tensor, add: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = keep * h + add
        return h, h

    def scan_complex(self, keep: Pair, add: Pair, h: Pair) -> tuple[Pair, Pair]:
        h = turned(keep, add, h)
        return h, h

    def matrix(self, inputs: MatrixInputs, S: Tensor) -> tuple[Tensor, Tensor]:
        return advance(inputs, S)

    def run(
        self, step: Callable[..., tuple[Tensor, Any]], x: Tree, state: Tree
    ) -> tuple[Tensor, Any]:
        return step(x, state)


STEP = Step()


class Whole:
    """All steps of a batch at once.

    What stands in the padding must be finite; what comes out there means nothing.

    Args:
        T: steps of the longest row; at least 1.
        lengths: (B,) true steps per row; all T when not given.
        reset: (B, T) bool, where the state becomes zero before the step.
        native: the engine may run a scan, step after step.
    """

    def __init__(
        self, T: int, lengths: Tensor | None, reset: Tensor | None, *, native: bool
    ) -> None:
        self.T, self.lengths, self.reset, self.native = T, lengths, reset, native

    def before(self, x: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        moved = torch.cat([last[:, None], x[:, :-1]], 1)
        if self.reset is not None:
            moved = moved.masked_fill(beside(self.reset, moved), 0)
        return moved, self.last(x, last)

    def convolve(
        self, x: Tensor, tail: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        *before, now = weight.unbind(1)
        y = x * now if bias is None else x * now + bias
        long = torch.cat([tail, x], 1)
        W = weight.shape[1]
        for k, each in enumerate(before):
            old = long[:, k : k + self.T]
            if self.reset is not None:
                old = old.masked_fill(beside(_since(self.reset) < W - 1 - k, old), 0)
            y = y + old * each
        return y, self.tail(long, W - 1)

    def scan(self, keep: Tensor, add: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        keep, add = torch.broadcast_tensors(keep, add)
        if self.native:
            y, state = self.run(SCAN.step, ScanInputs(keep, add), ScanState(h))
            return y, state.h
        if self.reset is not None:
            keep = keep.masked_fill(beside(self.reset, keep), 0)
        add = torch.cat([(add[:, 0] + keep[:, 0] * h)[:, None], add[:, 1:]], 1)
        y = associate(keep, add)
        return y, self.last(y, h)

    def scan_complex(self, keep: Pair, add: Pair, h: Pair) -> tuple[Pair, Pair]:
        keeps = torch.broadcast_tensors(*keep, *add)[:2]
        adds = torch.broadcast_tensors(*add, keeps[0])[:2]
        if self.native:
            y, state = self.run(TURN.step, TurnInputs(*keeps, *adds), TurnState(*h))
            real, imag = y.unbind(-1)
            return (real, imag), (state.real, state.imag)
        y, last = self.scan(torch.complex(*keeps), torch.complex(*adds), torch.complex(*h))
        return (y.real, y.imag), (last.real, last.imag)

    def matrix(self, inputs: MatrixInputs, S: Tensor) -> tuple[Tensor, Tensor]:
        decay, a, b, c, d, q = inputs
        if self.native:
            found = matrix(decay, a, b, c, d, q, S, self.lengths, self.reset)
            if found is not None:
                return found
        same = a is c
        if self.reset is not None:
            # Nothing of the state before is kept, and nothing is read of it.
            decay = decay.masked_fill(beside(self.reset, decay), 0)
            b = None if b is None else b.masked_fill(beside(self.reset, b), 0)
        if self.lengths is not None:
            over = torch.arange(self.T, device=c.device) >= self.lengths[:, None]
            decay = decay.masked_fill(beside(over, decay), 1)
            c = c.masked_fill(beside(over, c), 0)
            a = a if a is None or same else a.masked_fill(beside(over, a), 0)
        return chunked(MatrixInputs(decay, c if same else a, b, c, d, q), S)

    def run(
        self, step: Callable[..., tuple[Tensor, Any]], x: Tree, state: Tree
    ) -> tuple[Tensor, Any]:
        initial = None if self.reset is None else tree_map(torch.zeros_like, state)
        return run(step, x, state, lengths=self.lengths, reset=self.reset, initial=initial)

    def last(self, every: Tensor, first: Tensor) -> Tensor:
        """The value (B, …) after each row's last true step; `first` where a row has none."""
        if self.lengths is None:
            return every[:, -1]
        at = (self.lengths - 1).clamp(min=0)
        last = every[torch.arange(len(at), device=at.device), at]
        return torch.where(beside(self.lengths > 0, last), last, first)

    def tail(self, long: Tensor, width: int) -> Tensor:
        """The last inputs of each row, after zeros where a reset lies among them."""
        if self.lengths is None and self.reset is None:
            return long[:, self.T :]
        B, device = len(long), long.device
        ends = torch.full((B,), self.T, device=device) if self.lengths is None else self.lengths
        at = ends[:, None] + torch.arange(width, device=device)
        tail = long[torch.arange(B, device=device)[:, None], at]
        if self.reset is None:
            return tail
        since = self.last(_since(self.reset), ends.new_full((B,), LONG_AGO))
        old = torch.arange(width, 0, -1, device=device) - 1 > since[:, None]
        return tail.masked_fill(beside(old, tail), 0)


class Linear(Cell[State]):
    """A cell whose memories all have a form over the whole sequence.

    A subclass writes `over` in the place of `step`.
    """

    @abstractmethod
    def over(self, x: Any, state: State, ways: Ways) -> tuple[Tensor, State]:
        """The definition, on x (B, …) or (B, T, …) as the ways take it."""

    def step(self, x: Any, state: State, context: Context = None) -> tuple[Tensor, State]:
        return self.over(x, state, STEP)

    def parallel(
        self, x: Any, state: State, context: Context, whole: "Whole"
    ) -> tuple[Tensor, State] | None:
        return self.over(x, state, whole)


LONG_AGO = 2**30


def _since(reset: Tensor) -> Tensor:
    """Steps since a row's last reset (B, T); more than there are where there was none."""
    t = torch.arange(reset.shape[1], device=reset.device)
    return t - torch.where(reset, t, -LONG_AGO).cummax(1).values
