"""A way around a cell.

    y_t = x_t + cell(x_t)

Source: He et al., "Deep Residual Learning for Image Recognition", 2016, arXiv:1512.03385,
equation 1; over layers of a recurrent network: Wu et al., "Google's Neural Machine Translation
System", 2016, arXiv:1609.08144, section 3.1.
"""

from typing import Any

from torch import Tensor

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.over import Step, Whole
from recurra.errors import ShapeError
from recurra.layers.around import Around, Move


class Residual(Around):
    """Adds what a cell reads to what it gives.

    Args:
        cell: gives as many features as it takes.

    Raises:
        ShapeError: it gives others.
    """

    def __init__(self, cell: Cell[Any]) -> None:
        super().__init__(cell)
        if cell.ids or cell.input_size != cell.output_size:
            takes = "whole numbers" if cell.ids else f"{cell.input_size} features"
            raise ShapeError(
                f"Residual: the cell takes {takes} and gives {cell.output_size}, as many fit"
            )

    def initial_state(self, batch_size: int) -> Any:
        return self.cell.initial_state(batch_size)

    def sample_context(self, batch_size: int) -> Context:
        return self.cell.sample_context(batch_size)

    def over(
        self, x: Inputs, state: Any, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, Any]:
        y, state = move(x, state, context)
        return x + y, state
