"""A cell around another cell, over one step or over all steps at once by the same lines.

What stands around a cell treats every step alone, so it reads the same on (B, …) and on (B, T, …);
the cell itself is moved by the `move` that comes in.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.over import STEP, Step, Whole
from recurra.engine import leaves
from recurra.errors import OptionError, UnsupportedError

# `(x, state, context) -> (y, state)` of the cell inside.
Move: TypeAlias = Callable[[Inputs, Any, Context], tuple[Tensor, Any]]


class Around(Cell[Any]):
    """A cell around another one. A subclass writes `over` in the place of `step`.

    Args:
        cell: has a step.
        output_size: the cell's own when not given.

    Raises:
        UnsupportedError: it is no cell.
    """

    def __init__(self, cell: Cell[Any], output_size: int | None = None) -> None:
        super().__init__()
        self.cell = inside(type(self).__name__, cell)
        self.input_size, self.ids, self.x_shape = cell.input_size, cell.ids, cell.x_shape
        self.output_size = cell.output_size if output_size is None else output_size

    @abstractmethod
    def over(
        self, x: Inputs, state: Any, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, Any]:
        """The definition, on x (B, …) or (B, T, …) as the move and the ways take it."""

    def step(self, x: Inputs, state: Any, context: Context = None) -> tuple[Tensor, Any]:
        return self.over(x, state, context, self.cell.step, STEP)

    def parallel(
        self, x: Inputs, state: Any, context: Context, whole: Whole
    ) -> tuple[Tensor, Any] | None:
        try:
            return self.over(x, state, context, at_once(self.cell, whole), whole)
        except NoFormError:
            return None

    @property
    def has_parallel(self) -> bool:
        return may_be_at_once(self.cell)

    @property
    def steps_best(self) -> bool:
        return self.cell.steps_best


def inside(where: str, module: object) -> Cell[Any]:
    """What stands inside something.

    Raises:
        UnsupportedError: it is no cell.
    """
    if not isinstance(module, Cell):
        raise UnsupportedError(
            f"{where}: got a {type(module).__name__}, which has no step; a cell fits"
        )
    return module


class NoFormError(Exception):
    """A cell has no form over all steps at once, or would not use it."""


def at_once(cell: Cell[Any], whole: Whole) -> Move:
    """A cell's move over all steps at once.

    Raises:
        NoFormError: when it is called.
    """

    def move(x: Inputs, state: Any, context: Context) -> tuple[Tensor, Any]:
        found = cell.parallel(x, state, context, whole) if may_be_at_once(cell) else None
        if found is None:
            raise NoFormError
        return found

    return move


def may_be_at_once(cell: Any) -> bool:
    """Whether it has a form over all steps at once, and is not told to go by steps."""
    return isinstance(cell, Cell) and cell.has_parallel and cell.form != "step"


def like(layer: Any) -> Tensor:
    """A tensor of the type and device of a cell, or of another layer."""
    floats = (*leaves(layer.initial_state(1)), *layer.parameters(), *layer.buffers())
    return next((each for each in floats if each.is_floating_point()), torch.empty(0))


def keep_mask(like: Tensor, shape: tuple[int, ...], rate: float) -> Tensor:
    """0 where a value is dropped, 1 / (1 - rate) where it is kept."""
    if like.device.type != "cpu":
        return like.new_empty(shape).bernoulli_(1 - rate).div_(1 - rate)
    # Bits drawn 64 at a time take a third of what bernoulli_ takes, which draws one value by one.
    count = math.prod(shape)
    drawn = torch.empty(count // 2 + 1, dtype=torch.int64).random_(-(1 << 63), None)
    below = min(round(rate * (1 << 32)), (1 << 32) - 1) - (1 << 31)
    kept = drawn.view(torch.int32)[:count] >= below
    return kept.view(shape).to(like.dtype).div_(1 - rate)


def check_rate(where: str, name: str, rate: float) -> None:
    """Refuse what is no probability below 1.

    Raises:
        OptionError: naming it.
    """
    if not 0 <= rate < 1:
        raise OptionError(f"{where}: {name} is {rate}, it must lie in [0, 1)")
