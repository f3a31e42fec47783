"""Whole numbers, such as characters or words, as vectors."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import admit, positive
from recurra.engine import Shared, clear
from recurra.layers.around import check_rate, keep_mask


class Embedding(Cell[tuple[()]]):
    """A table with a row for each number; its state is empty.

    Args:
        vocab_size: rows, V; x holds numbers below it.
        embedding_size: width of a row, E.
        dropout: probability that a number's whole row is dropped while training, wherever the
            number stands in a batch; what is left is scaled by 1 / (1 - dropout).

    Source of the dropout: Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in
    Recurrent Neural Networks", 2016, arXiv:1512.05287, section 4.2; one mask for all rows of a
    batch as in Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", 2017,
    arXiv:1708.02182, section 4.3.
    """

    ids = True
    weight: nn.Parameter

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        *,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Embedding", vocab_size=vocab_size, embedding_size=embedding_size)
        check_rate("Embedding", "dropout", dropout)
        self.dropout = dropout
        self.input_size, self.output_size = vocab_size, embedding_size
        values = torch.empty(vocab_size, embedding_size, device=device, dtype=dtype)
        self.weight = nn.Parameter(nn.init.normal_(values))

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def sample_context(self, batch_size: int) -> Shared | None:
        """The mask (V, 1) of one training sequence; None where nothing is dropped."""
        if not self.training or self.dropout == 0:
            return None
        return Shared(keep_mask(self.weight.detach(), (self.input_size, 1), self.dropout))

    def step(
        self, x: Int[Tensor, " B"], state: tuple[()], context: Shared | None = None
    ) -> tuple[Float[Tensor, "B E"], tuple[()]]:
        return F.embedding(x, self._table(context)), ()

    def sequence(
        self,
        x: Int[Tensor, "B T"],
        state: tuple[()] | None = None,
        context: Shared | None = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Float[Tensor, "B T E"], Any]:
        """As `Cell.sequence`; what is about states and products has no influence."""
        admit("Embedding", self, x, state, lengths, reset)
        context = self.sample_context(len(x)) if context is None else context
        table = self._table(context)
        if lengths is None:
            return F.embedding(x, table), ()
        dead = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]
        return clear(dead, F.embedding(x.masked_fill(dead, 0), table)), ()

    def _table(self, mask: Shared | None) -> Tensor:
        return self.weight if mask is None else self.weight * mask.value
