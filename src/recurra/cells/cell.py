"""The contract of a cell."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from torch import Tensor, nn

from recurra.cells.check import admit
from recurra.engine import leaves, run

State = TypeVar("State", bound=tuple[Any, ...])
# A tensor, or a NamedTuple of them; each cell says which in its `step`.
Inputs: TypeAlias = Any
Context: TypeAlias = Any


class Cell(nn.Module, ABC, Generic[State]):
    """A recurrence, defined by one step.

    A subclass sets `input_size` (F) and `output_size` and writes `initial_state` and `step`. It
    may split `step` into `prepare`, which looks at x alone, and `advance`: then training takes the
    products on x once for all time instead of once per step.
    """

    gates: ClassVar[tuple[str, ...]] = ()
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

    def prepare(self, x: Inputs) -> Inputs:
        """What `advance` needs to know of x, for any leading dimensions."""
        return x

    def advance(self, u: Inputs, state: State, context: Context = None) -> tuple[Tensor, State]:
        """`step`, from u = prepare(x)."""
        return self.step(u, state, context)

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

        Raises:
            ShapeError: an argument has another shape or type than the cell takes.
        """
        initial = admit(type(self).__name__, self, x, state, lengths, reset)
        return run(
            self.advance,
            x,
            initial if state is None else state,
            self.sample_context(len(leaves(x)[0])) if context is None else context,
            prepare=self.prepare,
            lengths=lengths,
            reset=reset,
            initial=initial,
        )
