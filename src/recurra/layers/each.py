"""A module that maps every step by itself, as a cell."""

from typing import Any

from torch import Tensor, nn

from recurra.cells.cell import Cell, Context
from recurra.cells.over import Whole
from recurra.errors import OptionError


class Each(Cell[tuple[()]]):
    """What needs no memory, such as a head, as a cell whose state is empty.

    Args:
        module: maps (B, F) to (B, H), each row by itself.
        input_size: F; of an nn.Linear its own when not given.
        output_size: H; likewise.
    """

    def __init__(
        self, module: nn.Module, input_size: int | None = None, output_size: int | None = None
    ) -> None:
        super().__init__()
        if isinstance(module, nn.Linear):
            input_size = module.in_features if input_size is None else input_size
            output_size = module.out_features if output_size is None else output_size
        if input_size is None or output_size is None:
            raise OptionError(
                f"Each: input_size and output_size of a {type(module).__name__} are not known, "
                "give both"
            )
        self.module = module
        self.input_size, self.output_size = input_size, output_size

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def step(self, x: Tensor, state: tuple[()], context: Any = None) -> tuple[Tensor, tuple[()]]:
        return self.module(x), ()

    def parallel(
        self, x: Tensor, state: tuple[()], context: Context, whole: Whole
    ) -> tuple[Tensor, tuple[()]]:
        return self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2]), ()
