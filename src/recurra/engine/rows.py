"""Which rows of a batch are alive when."""

from typing import NamedTuple

import torch
from torch import Tensor

from recurra.engine.tree import Tree, leaves


class Rows(NamedTuple):
    """Which rows are alive when.

    Args:
        order: (B,) int64, rows by falling length; None as they come.
        lengths: (B,) int64, falling; None all T.
        reverse: time runs backwards, each row by its own length.
    """

    B: int
    T: int
    order: Tensor | None = None
    lengths: Tensor | None = None
    reverse: bool = False

    def steps(self) -> int:
        """Steps of all rows."""
        return self.B * self.T if self.lengths is None else int(self.lengths.sum())


def rows_of(B: int, T: int, lengths: Tensor | None, reverse: bool) -> Rows:
    """The rows of a batch as it comes."""
    if lengths is None or int(lengths.min()) == T:
        return Rows(B, T, None, None, reverse)
    falling, order = torch.sort(lengths, descending=True, stable=True)
    return Rows(B, T, order, falling, reverse)


def rows_over(x: Tree, lengths: Tensor | None, reverse: bool) -> Rows | None:
    """The rows of x; None where no native call takes them."""
    first = leaves(x)[0]
    B, T = first.shape[:2]
    return rows_of(B, T, lengths, reverse) if first.is_cpu and B and T else None
