"""The contract of a cell."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from recurra.cells.check import admit, as_initial
from recurra.engine import autocasts, leaves, run

State = TypeVar("State", bound=tuple[Any, ...])
# A tensor, or a NamedTuple of them; each cell says which in its `step`.
Inputs: TypeAlias = Any
Context: TypeAlias = Any


class Cell(nn.Module, ABC, Generic[State]):
    """A recurrence, defined by one step.

    A subclass sets `input_size` (F) and `output_size` and writes `initial_state` and `step`. Where
    `ids` is true, x is whole numbers below `input_size` in the place of features.
    """

    gates: ClassVar[tuple[str, ...]] = ()
    ids: bool = False
    input_size: int
    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state of a new sequence: every tensor (B, …); may be learned."""

    @abstractmethod
    def step(self, x: Inputs, state: State, context: Context = None) -> tuple[Tensor, State]:
        """One step on x (B, F): the definition of the cell, without side effects.

        Args:
            context: what is fixed for the sequence, such as masks from `sample_context`.
        """

    def sample_context(self, batch_size: int) -> Context:
        """Draw the noise of one training sequence, once; None where there is none to draw."""
        return None

    def sequence(
        self,
        x: Inputs,
        state: State | None = None,
        context: Context = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Tensor, State]:
        """All steps of x (B, T, F): the outputs (B, T, …) and the state after the last step.

        Outputs past a row's length are 0 and its state is that of its last true step; what stands
        in the padding has no influence.

        Args:
            state: where to go on; the initial state when not given.
            context: what is fixed for the sequence; sampled when not given.
            lengths: (B,) int64, true steps per row, 0 … T.
            reset: (B, T) bool, where a new sequence begins: the state becomes the initial one
                before that step.
            checkpoint: keep every so many-th state alone for the backward, and compute again what
                lies between; everything when not given.
            weights: torch.bfloat16 rounds the matrices of products to it, in inference; sums are
                float32 as before.

        Under autocast x, state and context become what the cell's parameters are.

        Raises:
            ShapeError: an argument has another shape or type than the cell takes.
            OptionError: checkpoint or weights do not fit.
        """
        initial = admit(type(self).__name__, self, x, state, lengths, reset)
        state = initial if state is None else state
        first = leaves(x)[0]
        B, T = first.shape[:2]
        casts = autocasts(first.device.type)
        if casts:
            x, state = as_initial(x, initial), as_initial(state, initial)
        if first.is_cuda:
            from recurra.cells import vendor  # it knows the classic cells, which begin here

            if vendor.serves(self, "cuda", B, T, reset, checkpoint, weights):
                return vendor.sequence(self, x, state, lengths)
        context = self.sample_context(B) if context is None else context
        return run(
            self.step,
            x,
            state,
            as_initial(context, initial) if casts else context,
            lengths=lengths,
            reset=reset,
            initial=initial,
            checkpoint=checkpoint,
            weights=weights,
        )
