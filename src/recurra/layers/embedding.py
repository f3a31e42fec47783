"""Whole numbers, such as characters or words, as vectors."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import admit, positive
from recurra.engine import clear


class Embedding(Cell[tuple[()]]):
    """A table with a row for each number; its state is empty.

    Args:
        vocab_size: rows, V; x holds numbers below it.
        embedding_size: width of a row, E.
    """

    ids = True
    weight: nn.Parameter

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Embedding", vocab_size=vocab_size, embedding_size=embedding_size)
        self.input_size, self.output_size = vocab_size, embedding_size
        values = torch.empty(vocab_size, embedding_size, device=device, dtype=dtype)
        self.weight = nn.Parameter(nn.init.normal_(values))

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def step(
        self, x: Int[Tensor, " B"], state: tuple[()], context: None = None
    ) -> tuple[Float[Tensor, "B E"], tuple[()]]:
        return F.embedding(x, self.weight), ()

    def sequence(
        self,
        x: Int[Tensor, "B T"],
        state: tuple[()] | None = None,
        context: None = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Float[Tensor, "B T E"], Any]:
        """As `Cell.sequence`; what is about states and products has no influence."""
        admit("Embedding", self, x, state, lengths, reset)
        if lengths is None:
            return F.embedding(x, self.weight), ()
        dead = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]
        return clear(dead, F.embedding(x.masked_fill(dead, 0), self.weight)), ()
