"""A cell that looks back further than one step.

    y_t, s_t = cell(x_t, s_{t-d})

So d copies of the cell take turns, each on every d-th step.

Source: Chang et al., "Dilated Recurrent Neural Networks", 2017, arXiv:1710.02224, equation 1.
"""

from typing import Any, NamedTuple

from torch import Tensor

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.check import positive
from recurra.cells.over import Step, Whole
from recurra.layers.around import Around, Move


class DilatedState(NamedTuple):
    """The last d states of the cell, the oldest first, which is next."""

    ring: tuple[Any, ...]


class Dilated(Around):
    """Runs a cell on strided parts of a sequence, side by side.

    Args:
        cell: any cell; a context holds for all parts.
        dilation: steps between a state and the one made of it, d; 1 is the cell itself.
    """

    def __init__(self, cell: Cell[Any], dilation: int) -> None:
        super().__init__(cell)
        positive("Dilated", dilation=dilation)
        self.dilation = dilation

    def initial_state(self, batch_size: int) -> DilatedState:
        return DilatedState((self.cell.initial_state(batch_size),) * self.dilation)

    def sample_context(self, batch_size: int) -> Context:
        return self.cell.sample_context(batch_size)

    def over(
        self, x: Inputs, state: DilatedState, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, DilatedState]:
        oldest, *others = state.ring
        y, new = move(x, oldest, context)
        return y, DilatedState((*others, new))

    @property
    def has_parallel(self) -> bool:
        return False
