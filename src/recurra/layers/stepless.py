"""The contract of a layer that needs a whole sequence at once."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from recurra.cells.cell import Context, Inputs
from recurra.errors import UnsupportedError


class Stepless(nn.Module, ABC):
    """As a `Cell`, but for the step: its output at any time needs what comes later.

    A subclass sets `input_size`, `output_size` and `why`, and writes `initial_state` and
    `sequence`.

    Attributes:
        why: what errors say about it, such as "its backward cell begins at the end".
    """

    why: ClassVar[str]
    takes: tuple[type, ...] = ()
    ids: bool = False
    x_shape: tuple[int, ...] | None = None
    input_size: int
    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> Any:
        """The state of a new sequence; empty where none is carried on."""

    def step(self, x: Inputs, state: Any, context: Context = None) -> NoReturn:
        """Refused, always.

        Raises:
            UnsupportedError: saying why.
        """
        raise UnsupportedError(
            f"{type(self).__name__}: there is no step, because {self.why}; use sequence, or a cell "
            "that runs forward alone"
        )

    def sample_context(self, batch_size: int) -> Context:
        """As `Cell.sample_context`."""
        return None

    @abstractmethod
    def sequence(
        self,
        x: Inputs,
        state: Any = None,
        context: Context = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Tensor, Any]:
        """As `Cell.sequence`."""


def sequence_numbers(T: int, lengths: Tensor | None, reset: Tensor | None) -> Tensor | None:
    """The number (B, T) of the sequence that each place of a row is in, -1 past its length.

    None where all are in one.

    Args:
        T: places of the longest row.
        lengths: (B,) true places per row; all T when not given.
        reset: (B, T), where a new sequence begins.
    """
    given = reset if lengths is None else lengths
    if given is None:
        return None
    number = given.new_zeros(len(given), T, dtype=torch.int64)
    if reset is not None:
        number = reset.cumsum(1)
    if lengths is not None:
        dead = torch.arange(T, device=number.device) >= lengths[:, None]
        number = number.masked_fill(dead, -1)
    return number
