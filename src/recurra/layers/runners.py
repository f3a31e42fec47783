"""How a stream runs: natively, or by the sequence of its cell where that is not to be had.

Both have `states`, (B, …) each, to be read and written between runs; `y_shape` and `dtype`, those
of a row and step of y; `resize(rows)`, after which states are undefined; and `run(x, y)`, which
goes on by x (B, T, …) without gaps and writes y (B, T, …), likewise.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Context, Inputs
from recurra.engine import Flow, NotNativeError, Stage, leaves, refill, say_plain
from recurra.layers.stages import stages_of


def runner_of(
    cell: Cell[Any], context: Context, weights: torch.dtype | None, example: Inputs
) -> "Native | Plain":
    """The one that fits.

    Args:
        example: x of one step, (B, 1, …).
    """
    try:
        return Native(stages_of(cell, example, context, weights))
    except NotNativeError as reason:
        say_plain(f"Stream of {type(cell).__name__}", reason)
        return Plain(cell, context, weights, example)


class Native:
    """By stages of the library.

    Attributes:
        flow: the one that runs; None for no rows.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._packed: Flow | None = None  # its weights serve the next one
        self.flow: Flow | None = None
        self.states: list[Tensor] = []
        self.y_shape, self.dtype = stages[-1].y_shape, stages[-1].dtype

    def resize(self, rows: int) -> None:
        if rows:
            self.flow = Flow(self._stages, rows, self._packed)
            self._packed = self.flow
            self.states = self.flow.states
            return
        self.flow = None
        shapes = [shape for each in self._stages for shape in each.state_shapes]
        self.states = [torch.empty(0, *shape, dtype=self.dtype) for shape in shapes]

    def run(self, x: Inputs, y: Tensor) -> None:
        if self.flow is not None:
            self.flow.run(leaves(x), y)


class Plain:
    """By the sequence of a copy of the cell."""

    def __init__(
        self, cell: Cell[Any], context: Context, weights: torch.dtype | None, example: Inputs
    ) -> None:
        self._cell = copy.deepcopy(cell).requires_grad_(False)
        self._context, self._weights = context, weights
        rows = len(leaves(example)[0])
        self._tree = self._cell.initial_state(rows)
        self.states = leaves(self._tree)
        with torch.no_grad():
            y, _ = self._cell.sequence(example, self._tree, context, weights=weights)
        self.y_shape, self.dtype = tuple(y.shape[2:]), y.dtype

    def resize(self, rows: int) -> None:
        self.states = [each.new_empty(rows, *each.shape[1:]) for each in self.states]

    @torch.no_grad()
    def run(self, x: Inputs, y: Tensor) -> None:
        state = refill(self._tree, self.states)
        made, last = self._cell.sequence(x, state, self._context, weights=self._weights)
        y.copy_(made)
        for old, new in zip(self.states, leaves(last), strict=True):
            old.copy_(new)
