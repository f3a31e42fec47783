"""Layers on top of each other, as one cell."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.check import admit
from recurra.cells.over import Whole
from recurra.engine import leaves
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers.around import NoFormError, at_once, keep_mask, like, may_be_at_once
from recurra.layers.stepless import Stepless

Layer: TypeAlias = Cell[Any] | Stepless


class StackContext(NamedTuple):
    """What is fixed for a sequence: each layer's own context, and the mask on each layer's output.

    A mask, (B, H) or one image a row, holds 0 where a value is dropped and 1 / (1 - dropout) where
    it is kept; None drops nothing.
    """

    layers: tuple[Context, ...]
    masks: tuple[Tensor | None, ...]


class Stack(Cell[tuple[Any, ...]]):
    """Layers where each reads the output of the one below; the state is the tuple of theirs.

    Args:
        layers: from the one that reads x to the one that gives y. With a `Bidirectional` or
            another `Stepless` layer among them, the stack has a `sequence` but no `step`.
        dropout: probability that an output between two layers is dropped while training; the
            same values over all time of one sequence.
    """

    def __init__(self, layers: Iterable[Layer], dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = dropout
        _check(list(self._each()), dropout)
        *_, last = self._each()
        self.input_size = next(self._each()).input_size
        first = next(self._each())
        self.ids, self.x_shape, self.takes = first.ids, first.x_shape, first.takes
        self.output_size = last.output_size

    def initial_state(self, batch_size: int) -> tuple[Any, ...]:
        return tuple(layer.initial_state(batch_size) for layer in self._each())

    def sample_context(self, batch_size: int) -> StackContext | None:
        """The masks of one training sequence, and what the layers draw; None in evaluation."""
        contexts = tuple(layer.sample_context(batch_size) for layer in self._each())
        pairs = pairwise(self._each())
        masks = (*(self._sample_mask(*pair, batch_size) for pair in pairs), None)
        nothing = all(part is None for part in (*contexts, *masks))
        return None if nothing else StackContext(contexts, masks)

    def step(
        self, x: Inputs, state: tuple[Any, ...], context: StackContext | None = None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """One step through all layers.

        Raises:
            UnsupportedError: a layer has no step.
            OptionError: dropout needs masks, and no context brings them.
        """
        self._check_step(context)
        contexts, masks = self._unpack(context)
        states = []
        for layer, below, noise, mask in zip(self._each(), state, contexts, masks, strict=True):
            x, above = layer.step(x, below, noise)
            x = x if mask is None else x * mask
            states.append(above)
        return x, tuple(states)

    def sequence(
        self,
        x: Inputs,
        state: tuple[Any, ...] | None = None,
        context: StackContext | None = None,
        *,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Tensor, tuple[Any, ...]]:
        initial = admit("Stack", self, x, state, lengths, reset)
        state = initial if state is None else state
        context = self.sample_context(len(leaves(x)[0])) if context is None else context
        contexts, masks = self._unpack(context)
        states = []
        for layer, below, noise, mask in zip(self._each(), state, contexts, masks, strict=True):
            x, above = layer.sequence(
                x,
                below,
                noise,
                lengths=lengths,
                reset=reset,
                checkpoint=checkpoint,
                weights=weights,
            )
            x = x if mask is None else x * mask[:, None]
            states.append(above)
        return x, tuple(states)

    def parallel(
        self, x: Inputs, state: tuple[Any, ...], context: StackContext | None, whole: Whole
    ) -> tuple[Tensor, tuple[Any, ...]] | None:
        """As `Cell.parallel`, for what stands around it; its own `sequence` asks each layer."""
        contexts, masks = self._unpack(context)
        states = []
        for layer, below, noise, mask in zip(self._each(), state, contexts, masks, strict=True):
            try:
                x, above = at_once(cast(Cell[Any], layer), whole)(x, below, noise)
            except NoFormError:
                return None
            x = x if mask is None else x * mask[:, None]
            states.append(above)
        return x, tuple(states)

    @property
    def has_parallel(self) -> bool:
        return all(may_be_at_once(layer) for layer in self._each())

    @property
    def steps_best(self) -> bool:
        return all(isinstance(each, Cell) and each.steps_best for each in self._each())

    def _each(self) -> Iterator[Layer]:
        return iter(cast(Iterable[Layer], self.layers))

    def _unpack(self, context: StackContext | None) -> StackContext:
        nothing = (None,) * len(self.layers)
        return StackContext(nothing, nothing) if context is None else context

    def _sample_mask(self, layer: Layer, above: Layer, batch_size: int) -> Tensor | None:
        if not self.training or self.dropout == 0:
            return None
        shape = (layer.output_size,) if above.x_shape is None else above.x_shape
        return keep_mask(like(layer).detach(), (batch_size, *shape), self.dropout)

    def _check_step(self, context: StackContext | None) -> None:
        for number, layer in enumerate(self._each()):
            if isinstance(layer, Stepless):
                raise UnsupportedError(
                    f"Stack: layer {number} is {type(layer).__name__} and has no step, because "
                    f"{layer.why}; use sequence"
                )
        if context is None and self.training and self.dropout and len(self.layers) > 1:
            raise OptionError(
                "Stack: a step while training takes its dropout masks from the context; draw them "
                "once per sequence with sample_context(batch_size)"
            )


def _check(layers: list[Layer], dropout: float) -> None:
    if not layers:
        raise OptionError("Stack: layers is empty, it must hold at least one")
    if not 0 <= dropout < 1:
        raise OptionError(f"Stack: dropout is {dropout}, it must lie in [0, 1)")
    for number, (below, above) in enumerate(pairwise(layers)):
        if above.input_size != below.output_size:
            raise ShapeError(
                f"Stack: layer {number + 1} takes {above.input_size} features, "
                f"layer {number} gives {below.output_size}"
            )
