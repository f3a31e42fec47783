"""What a stream runs: the cells of a model, one behind the other."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, cast, runtime_checkable

import torch

from recurra.cells.cell import Cell, Context, Inputs
from recurra.engine import NotNativeError, Stage, leaves, lookup, stage
from recurra.errors import UnsupportedError
from recurra.layers.embedding import Embedding
from recurra.layers.recurrent import Recurrent
from recurra.layers.stack import Stack, StackContext
from recurra.layers.stepless import Stepless


@runtime_checkable
class Stacked(Protocol):
    """A layer of another make that is a stack of cells as well."""

    def as_stack(self) -> Stack: ...


def cell_of(model: object) -> Cell[Any]:
    """The cell that a stream steps through.

    Raises:
        UnsupportedError: the model has no step, or is no model of this project's parts.
    """
    if isinstance(model, Recurrent) and model.reverse:
        raise UnsupportedError(
            "Stream: the layer runs in reverse, so its first answer needs the last step; "
            "a stream takes cells that run forward"
        )
    if isinstance(model, Recurrent):
        return cell_of(model.cell)
    if isinstance(model, Stacked):
        return cell_of(model.as_stack())
    if isinstance(model, Stepless):
        raise UnsupportedError(
            f"Stream: {type(model).__name__} has no step, because {model.why}; a stream takes "
            "cells that run forward"
        )
    if not isinstance(model, Cell):
        raise UnsupportedError(
            f"Stream: got a {type(model).__name__}; a cell, a Stack, a Recurrent or a layer of "
            "recurra.nn fits"
        )
    for layer in _layers(model):
        cell_of(layer)
    return model


def stages_of(
    cell: Cell[Any], x: Inputs, context: Context, weights: torch.dtype | None
) -> list[Stage]:
    """One a layer.

    Args:
        x: an example (B, 1, …).
        context: of the whole cell.

    Raises:
        NotNativeError: a layer has no native form.
    """
    B = len(leaves(x)[0])
    found: list[Stage] = []
    for layer, own in _each(cell, context):
        if isinstance(layer, Embedding) and not found and own is None:
            found.append(lookup(layer.weight))
        elif type(layer).sequence is not Cell.sequence:
            raise NotNativeError(f"{type(layer).__name__} has a sequence of its own")
        else:
            found.append(stage(layer.step, x, layer.initial_state(B), own, weights))
        x = torch.zeros(B, 1, *found[-1].y_shape, dtype=found[-1].dtype)
    if all(each.program is None for each in found):
        raise NotNativeError("a table alone")
    return found


def _layers(cell: Cell[Any]) -> list[Any]:
    """Those of a stack, as far as it runs them as `Stack` does."""
    kind = type(cell)
    own = isinstance(cell, Stack) and kind.step is Stack.step and kind.sequence is Stack.sequence
    return list(cast(Iterable[Any], cell.layers)) if own else []


def _each(cell: Cell[Any], context: Context) -> Iterator[tuple[Cell[Any], Context]]:
    """The cells from x to y, each with its context."""
    layers = _layers(cell)
    if not layers:
        yield cell, context
        return
    if isinstance(context, StackContext) and any(mask is not None for mask in context.masks):
        raise NotNativeError("a stack with masks between its layers")
    own = context.layers if isinstance(context, StackContext) else (None,) * len(layers)
    for layer, each in zip(layers, own, strict=True):
        yield from _each(cell_of(layer), each)
