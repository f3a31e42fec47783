"""Two cells over the same sequence, one from each end."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.check import admit
from recurra.engine import Way, leaves, reverse, reverse_reset, together
from recurra.errors import ShapeError
from recurra.layers.stepless import Stepless


class BidirectionalState(NamedTuple):
    """The state of each direction: forward after the last true step, backward after the first."""

    forward: Any
    backward: Any


class Bidirectional(Stepless):
    """A layer that reads a sequence in both directions and concatenates the outputs.

    It has no step: its output at any time needs the end of the sequence.

    Args:
        forward: runs from the first step to the last.
        backward: runs from each row's last true step to its first.
    """

    why = "its backward cell begins at the end of the sequence"

    def __init__(self, forward: Cell[Any], backward: Cell[Any]) -> None:
        super().__init__()
        if forward.input_size != backward.input_size:
            raise ShapeError(
                f"Bidirectional: the backward cell takes {backward.input_size} features, "
                f"the forward cell {forward.input_size}"
            )
        self.input_size = forward.input_size
        self.ids, self.x_shape, self.takes = forward.ids, forward.x_shape, forward.takes
        self.output_size = forward.output_size + backward.output_size
        self.forward_cell = forward
        self.backward_cell = backward

    def initial_state(self, batch_size: int) -> BidirectionalState:
        """The state of a new sequence, for both directions."""
        return BidirectionalState(
            self.forward_cell.initial_state(batch_size),
            self.backward_cell.initial_state(batch_size),
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
        state = initial if state is None else state
        contexts = self._contexts(len(leaves(x)[0]), context)
        if reset is None and checkpoint is None:
            found = self._at_once(x, state, contexts, lengths, weights)
            if found is not None:
                return found
        y_ahead, ahead = self.forward_cell.sequence(
            x,
            state.forward,
            contexts[0],
            lengths=lengths,
            reset=reset,
            checkpoint=checkpoint,
            weights=weights,
        )
        y_back, back = self.backward_cell.sequence(
            reverse(x, lengths),
            state.backward,
            contexts[1],
            lengths=lengths,
            reset=reverse_reset(reset, lengths),
            checkpoint=checkpoint,
            weights=weights,
        )
        y = torch.cat([y_ahead, reverse(y_back, lengths)], dim=2)
        return y, BidirectionalState(ahead, back)

    def _contexts(
        self, batch_size: int, given: tuple[Context, Context] | None
    ) -> tuple[Context, Context]:
        """One a direction; drawn where none is given."""
        given = self.sample_context(batch_size) if given is None else given
        ahead, back = given or (None, None)
        return (
            self.forward_cell.sample_context(batch_size) if ahead is None else ahead,
            self.backward_cell.sample_context(batch_size) if back is None else back,
        )

    def _at_once(
        self,
        x: Inputs,
        state: BidirectionalState,
        contexts: tuple[Context, Context],
        lengths: Tensor | None,
        weights: torch.dtype | None,
    ) -> tuple[Tensor, BidirectionalState] | None:
        """Both directions in one native call; None where one of them runs in another way."""
        cells = (self.forward_cell, self.backward_cell)
        if any(type(cell).sequence is not Cell.sequence for cell in cells):
            return None
        if any(cell.has_parallel and cell.form != "step" for cell in cells):
            return None
        ways = [
            Way(self.forward_cell.step, state.forward, contexts[0]),
            Way(self.backward_cell.step, state.backward, contexts[1], reverse=True),
        ]
        found = together(x, ways, lengths=lengths, weights=weights)
        return None if found is None else (found[0], BidirectionalState(*found[1]))
