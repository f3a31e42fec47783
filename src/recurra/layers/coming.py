"""What comes into a stream: a step or a chunk, of one row or of several, torch's or numpy's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.cells.cell import Cell, Inputs
from recurra.engine import leaves, tree_map
from recurra.errors import ShapeError


@dataclass(frozen=True)
class Form:
    """What x looks like.

    Args:
        example: (1, 1, …).
    """

    example: Inputs

    @staticmethod
    def of(cell: Cell[Any], example: Inputs = None) -> "Form":
        """That of a cell.

        Args:
            example: x of one step, (B, …); of `input_size` features, or ids, when not given.
        """
        if example is not None:
            return Form(tree_map(lambda leaf: torch.zeros_like(leaf[:1, None]), example))
        if cell.ids:
            return Form(torch.zeros(1, 1, dtype=torch.int64))
        floats = (*leaves(cell.initial_state(1)), *cell.parameters(), *cell.buffers())
        like = next((each for each in floats if each.is_floating_point()), torch.empty(0))
        shape = (cell.input_size,) if cell.x_shape is None else cell.x_shape
        return Form(torch.zeros(1, 1, *shape, dtype=like.dtype, device=like.device))

    @property
    def alone(self) -> Tensor | None:
        """The example, where x is one tensor."""
        return self.example if isinstance(self.example, Tensor) else None

    def zeros(self, rows: int) -> Inputs:
        """An x (rows, 1, …)."""
        return tree_map(lambda leaf: leaf.new_zeros(rows, *leaf.shape[1:]), self.example)

    def admit(self, x: Inputs, rows: int) -> tuple[Inputs, tuple[int, ...]]:
        """x as (B, T, …) without gaps, and the shape that comes before an answer's own.

        Raises:
            ShapeError: it is something else.
        """
        parts = leaves(x) if isinstance(x, Tensor | tuple) else []
        fits = leaves(self.example)
        if len(parts) != len(fits) or not all(isinstance(part, Tensor) for part in parts):
            raise ShapeError(f"Stream: x is a {type(x).__name__}, {self._says(rows)} fits")
        lead = tuple(parts[0].shape[: parts[0].ndim - fits[0].ndim + 2])
        good = len(lead) <= 2 and (lead[0] if lead else 1) == rows
        for part, fit in zip(parts, fits, strict=True):
            good = good and tuple(part.shape) == (*lead, *fit.shape[2:])
        if not good:
            came = ", ".join(str(tuple(part.shape)) for part in parts)
            raise ShapeError(f"Stream: x has shape {came}; {self._says(rows)} fits")
        B, T = (*lead, 1, 1)[:2]
        made = [
            self._typed(part, fit).reshape(B, T, *fit.shape[2:]).contiguous()
            for part, fit in zip(parts, fits, strict=True)
        ]
        each = iter(made)
        return tree_map(lambda _: next(each), self.example), lead

    def from_numpy(self, x: np.ndarray) -> Tensor:
        """As a tensor of the type that x has, in the array's memory where that is one piece."""
        dtype = leaves(self.example)[0].dtype
        if not dtype.is_floating_point and x.dtype.kind not in "iu":
            raise ShapeError(f"Stream: x is {x.dtype}, whole numbers fit")
        if x.dtype.kind not in "fiub":
            raise ShapeError(f"Stream: x is {x.dtype}, numbers fit")
        plain = x.flags.c_contiguous and x.flags.writeable
        return torch.from_numpy(x if plain else x.copy()).to(dtype)

    def _typed(self, part: Tensor, fit: Tensor) -> Tensor:
        whole = not part.is_floating_point() and part.dtype != torch.bool
        if part.dtype != fit.dtype and not (whole and fit.dtype == torch.int64):
            came, takes = (str(each.dtype).removeprefix("torch.") for each in (part, fit))
            raise ShapeError(f"Stream: x is {came}, the model takes {takes}")
        if part.device.type != fit.device.type:
            raise ShapeError(f"Stream: x is on {part.device.type}, the model on {fit.device.type}")
        return part.detach().to(fit.dtype)

    def _says(self, rows: int) -> str:
        """What would have fit."""
        if self.alone is None:
            return f"a {type(self.example).__name__} of tensors (B, …) or (B, T, …), B {rows},"
        own = "".join(f", {size}" for size in self.alone.shape[2:])
        return f"a step ({rows}{own or ','}) or a chunk ({rows}, T{own})"
