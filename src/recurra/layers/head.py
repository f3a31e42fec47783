"""The contract of a head: scores for each number of a vocabulary, and its own loss."""

from abc import abstractmethod
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from recurra.cells.cell import Cell, Context
from recurra.cells.over import Whole


class Head(Cell[tuple[()]]):
    """A cell without memory whose step gives scores (B, V) that a softmax makes probabilities.

    The loss is asked of the head and not made from its scores: so nobody holds a score for every
    row and number at once. Numbers below 0 in targets, such as padding, count nothing.
    """

    @abstractmethod
    def nats(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"], smoothing: float = 0.0
    ) -> Float[Tensor, ""]:
        """The nats of all targets together, with gradients.

        Args:
            h: what the step would read, of any number of rows and steps.
            smoothing: the share of each target that is spread over all numbers, 0 … below 1.

        Raises:
            ShapeError: shapes do not fit together, or a target is not below V.
            OptionError: smoothing does not fit.
        """

    @abstractmethod
    def each(
        self, h: Float[Tensor, "*rows H"], targets: Int[Tensor, "*rows"]
    ) -> Float[Tensor, "*rows"]:
        """The nats of each target.

        Raises:
            ShapeError: shapes do not fit together, or a target is not below V.
        """

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def parallel(
        self, x: Float[Tensor, "B T H"], state: tuple[()], context: Context, whole: Whole
    ) -> tuple[Float[Tensor, "B T V"], Any]:
        return self.step(x, state)
