"""Two cells over the same sequence, one from each end."""

from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor, nn

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.check import admit
from recurra.engine import leaves, reverse, reverse_reset
from recurra.errors import ShapeError, UnsupportedError


class BidirectionalState(NamedTuple):
    """The state of each direction: forward after the last true step, backward after the first."""

    forward: Any
    backward: Any


class Bidirectional(nn.Module):
    """A layer that reads a sequence in both directions and concatenates the outputs.

    It has no step: its output at any time needs the end of the sequence.

    Args:
        forward: runs from the first step to the last.
        backward: runs from each row's last true step to its first.
    """

    def __init__(self, forward: Cell[Any], backward: Cell[Any]) -> None:
        super().__init__()
        if forward.input_size != backward.input_size:
            raise ShapeError(
                f"Bidirectional: the backward cell takes {backward.input_size} features, "
                f"the forward cell {forward.input_size}"
            )
        self.input_size = forward.input_size
        self.output_size = forward.output_size + backward.output_size
        self.forward_cell = forward
        self.backward_cell = backward

    def initial_state(self, batch_size: int) -> BidirectionalState:
        """The state of a new sequence, for both directions."""
        return BidirectionalState(
            self.forward_cell.initial_state(batch_size),
            self.backward_cell.initial_state(batch_size),
        )

    def step(self, x: Inputs, state: BidirectionalState, context: Context = None) -> NoReturn:
        """Refused, always.

        Raises:
            UnsupportedError: the backward half begins at the end of the sequence.
        """
        raise UnsupportedError(
            "Bidirectional: there is no step, because the backward cell begins at the end of the "
            "sequence; use sequence, or a cell that runs forward alone"
        )

    def sample_context(self, batch_size: int) -> tuple[Context, Context] | None:
        """Both cells' noise for one training sequence; None where there is none to draw."""
        contexts = (
            self.forward_cell.sample_context(batch_size),
            self.backward_cell.sample_context(batch_size),
        )
        return None if all(part is None for part in contexts) else contexts

    def sequence(
        self,
        x: Inputs,
        state: BidirectionalState | None = None,
        context: tuple[Context, Context] | None = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Tensor, BidirectionalState]:
        """As `Cell.sequence`; each sequence between resets is read from its own two ends.

        Args:
            context: one for each direction.
        """
        initial = admit("Bidirectional", self, x, state, lengths, reset)
        ahead, back = initial if state is None else state
        contexts = self.sample_context(len(leaves(x)[0])) if context is None else context
        context_ahead, context_back = contexts or (None, None)
        y_ahead, ahead = self.forward_cell.sequence(
            x,
            ahead,
            context_ahead,
            lengths=lengths,
            reset=reset,
            checkpoint=checkpoint,
            weights=weights,
        )
        y_back, back = self.backward_cell.sequence(
            reverse(x, lengths),
            back,
            context_back,
            lengths=lengths,
            reset=reverse_reset(reset, lengths),
            checkpoint=checkpoint,
            weights=weights,
        )
        y = torch.cat([y_ahead, reverse(y_back, lengths)], dim=-1)
        return y, BidirectionalState(ahead, back)
