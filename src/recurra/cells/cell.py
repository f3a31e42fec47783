"""The contract of a cell."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from recurra.cells.check import admit, as_initial
from recurra.engine import autocasts, clear, leaves, run

if TYPE_CHECKING:
    from recurra.cells.over import Whole

State = TypeVar("State", bound=tuple[Any, ...])
# A tensor, or a NamedTuple of them; each cell says which in its `step`.
Inputs: TypeAlias = Any
Context: TypeAlias = Any
Form: TypeAlias = Literal["auto", "step", "parallel"]


class Cell(nn.Module, ABC, Generic[State]):
    """A recurrence, defined by one step.

    A subclass sets `input_size` (F) and `output_size` and writes `initial_state` and `step`. Where
    `ids` is true, x is whole numbers below `input_size` in the place of features.

    Attributes:
        x_shape: shape of one row and step of x, where it is another than (F,).
        form: how `sequence` runs: "step" by step, which the engine does natively; "parallel", all
            steps at once, where the cell has such a form; "auto" as is faster. The forms agree to
            rounding; streams have the bits of "step".
        takes: the NamedTuples that x may be in the place of a tensor, where that is checked.
        fast_step: on a CPU the engine runs the step as fast as the parallel form, or faster.
    """

    gates: ClassVar[tuple[str, ...]] = ()
    fast_step: ClassVar[bool] = True
    takes: tuple[type, ...] = ()
    ids: bool = False
    x_shape: tuple[int, ...] | None = None
    form: Form = "auto"
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

    def parallel(
        self, x: Inputs, state: State, context: Context, whole: "Whole"
    ) -> tuple[Tensor, State] | None:
        """As `sequence`, all steps at once; None where a cell has no such form.

        Args:
            whole: the lengths and resets, and how memories move under them.
        """
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

        Under autocast x, state and context become what the cell's parameters are; products are
        then what `engine.run` says.

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
        if checkpoint is None and weights is None and self._at_once(first):
            found = self._parallel(x, state, context, lengths, reset)
            if found is not None:
                return found
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

    @property
    def has_parallel(self) -> bool:
        """Whether there is a form over all steps at once."""
        return type(self).parallel is not Cell.parallel

    @property
    def steps_best(self) -> bool:
        """Whether, on a CPU and of itself, it runs step by step."""
        return self.fast_step or not self.has_parallel

    def _at_once(self, x: Tensor) -> bool:
        """Whether `sequence` runs all steps at once."""
        if self.form == "step" or not self.has_parallel or 0 in x.shape[:2]:
            return False
        return self.form == "parallel" or not (x.is_cpu and (self.steps_best or x.shape[1] == 1))

    def _parallel(
        self,
        x: Inputs,
        state: State,
        context: Context,
        lengths: Tensor | None,
        reset: Tensor | None,
    ) -> tuple[Tensor, State] | None:
        from recurra.cells.over import Whole  # its cells derive from this class

        first = leaves(x)[0]
        T = first.shape[1]
        whole = Whole(T, lengths, reset, native=first.is_cpu and self.form == "auto")
        if autocasts(first.device.type):
            # A rounding at every step adds up over time: a recurrence runs in its cell's own type.
            with torch.autocast(first.device.type, enabled=False):
                return self._parallel(x, state, context, lengths, reset)
        if lengths is None:
            return self.parallel(x, state, context, whole)
        dead = torch.arange(T, device=first.device) >= lengths[:, None]
        found = self.parallel(clear(dead, x), state, context, whole)
        return None if found is None else (clear(dead, found[0]), found[1])
