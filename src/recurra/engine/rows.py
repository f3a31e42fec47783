"""Which rows of a batch are alive when."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
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

    def count(self) -> int:
        """Steps of all rows."""
        return self.B * self.T if self.lengths is None else int(self.lengths.sum())


def rows_of(B: int, T: int, lengths: Tensor | None, reverse: bool) -> Rows:
    """The rows of a batch as it comes."""
    if lengths is None or int(lengths.min()) == T:
        return Rows(B, T, reverse=reverse)
    falling, order = torch.sort(lengths, descending=True, stable=True)
    return Rows(B, T, order, falling, reverse)
