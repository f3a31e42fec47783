"""A cell as a module that is called on whole sequences."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from recurra.cells.cell import Context, Inputs
from recurra.cells.check import admit
from recurra.engine import reverse, reverse_reset
from recurra.errors import OptionError
from recurra.layers.stack import Layer


class Recurrent(nn.Module):
    """A cell over a ragged batch, in either direction.

    Args:
        cell: a cell, or a layer such as `Stack` or `Bidirectional`.
        reverse: run from each row's last true step to its first; outputs stay at their steps.
    """

    def __init__(self, cell: Layer, reverse: bool = False) -> None:
        super().__init__()
        self.cell = cell
        self.reverse = reverse

    def forward(
        self,
        x: Inputs | PackedSequence,
        state: Any = None,
        context: Context = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Tensor | PackedSequence, Any]:
        """As `Cell.sequence`; a PackedSequence in gives one out, its states in the batch's order.

        With `reverse`, `reset[b, t]` still marks the first step of a sequence in original time:
        each sequence of a row is run by itself, from its end.
        """
        if isinstance(x, PackedSequence):
            return self._packed(x, state, context, lengths, reset, checkpoint, weights)
        return self._padded(x, state, context, lengths, reset, checkpoint, weights)

    def _padded(
        self,
        x: Inputs,
        state: Any,
        context: Context,
        lengths: Tensor | None,
        reset: Tensor | None,
        checkpoint: int | None,
        weights: torch.dtype | None,
    ) -> tuple[Tensor, Any]:
        admit("Recurrent", self.cell, x, state, lengths, reset)
        if not self.reverse:
            return self.cell.sequence(
                x,
                state,
                context,
                lengths=lengths,
                reset=reset,
                checkpoint=checkpoint,
                weights=weights,
            )
        y, state = self.cell.sequence(
            reverse(x, lengths),
            state,
            context,
            lengths=lengths,
            reset=reverse_reset(reset, lengths),
            checkpoint=checkpoint,
            weights=weights,
        )
        return reverse(y, lengths), state

    def _packed(
        self,
        x: PackedSequence,
        state: Any,
        context: Context,
        lengths: Tensor | None,
        reset: Tensor | None,
        checkpoint: int | None,
        weights: torch.dtype | None,
    ) -> tuple[PackedSequence, Any]:
        if lengths is not None:
            raise OptionError("Recurrent: lengths is given, but the PackedSequence has its own")
        padded, own = pad_packed_sequence(x, batch_first=True)
        own_there = own.to(padded.device)
        y, state = self._padded(padded, state, context, own_there, reset, checkpoint, weights)
        in_order = x.sorted_indices is None
        packed = pack_padded_sequence(y, own, batch_first=True, enforce_sorted=in_order)
        return packed, state
