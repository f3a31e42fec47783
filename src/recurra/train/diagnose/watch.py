"""The cells of a model at work: what they read, kept and gave at every step, inside the graph.

For the time of a diagnosis each cell has a `step` of its own, which calls the real one and notes
its tensors. Such a step is no method, so the engine runs it as its definition, in plain torch.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from recurra.cells import Cell, Observed, Timed
from recurra.engine import leaves, tree_map
from recurra.layers import Bidirectional, Recurrent, Stack
from recurra.train.diagnose.gates import Gates
from recurra.train.diagnose.torch_layers import as_cells, forward, is_recurrent


@dataclass(eq=False)
class Moment:
    """One step of one cell.

    Args:
        x: what it read, each tensor its own in the graph.
        state: the floating-point tensors of the state after it.
        own: what it gave.
        y: what the outermost cell around it gave; this is where the rest of the model reads.
    """

    x: list[Tensor]
    state: list[Tensor]
    own: Tensor
    y: Tensor | None = None


@dataclass(eq=False)
class Track:
    """What is known of one cell.

    Args:
        passes: over sequences, each step after step.
        backward: it runs from the end of the sequence.
    """

    name: str
    cell: Cell[Any]
    backward: bool = False
    passes: list[list[Moment]] = field(default_factory=list)
    gates: Gates = field(default_factory=Gates)

    def longest(self) -> list[Moment]:
        """The pass with the most steps, the first of several."""
        return max(self.passes, key=len)


class Watch:
    """Notes every step of the cells of a model, while `looking`."""

    def __init__(self) -> None:
        self._tracks: dict[Cell[Any], Track] = {}
        self._inside = self._noted = 0
        self._open: list[tuple[Track, Moment]] = []
        self._begins: set[Track] = set()

    @property
    def tracks(self) -> list[Track]:
        """Those of cells that have a memory and took a step, as the model names them."""
        return [track for track in self._tracks.values() if track.passes]

    @contextmanager
    def looking(self, model: nn.Module) -> Iterator[None]:
        """Every cell in `model` watched; afterwards nothing is left of it."""
        # A weight made of others is made once; cuDNN would pass by the steps.
        alone = torch.backends.cudnn.flags(enabled=False)
        with ExitStack() as stack, parametrize.cached(), alone:
            for name, module in model.named_modules():
                self._enter(stack, name or type(module).__name__, module)
            for track in self._tracks.values():
                track.backward = track.cell in set(_backward(model)) or track.backward
            yield

    def _enter(self, stack: ExitStack, name: str, module: nn.Module) -> None:
        if isinstance(module, Cell):
            self._watch(stack, Track(name, module))
        elif is_recurrent(module):
            cells = as_cells(module)
            for part, cell, backward in cells.named(name):
                self._watch(stack, Track(part, cell, backward))
            _stand_in(stack, module, "forward", lambda *given: forward(module, cells, *given))

    def _watch(self, stack: ExitStack, track: Track) -> None:
        cell = track.cell
        self._tracks[cell] = track
        step, sequence = cell.step, cell.sequence
        _stand_in(stack, cell, "form", "step")
        _stand_in(stack, cell, "step", lambda *a, **b: self._step(track, step, *a, **b))
        _stand_in(stack, cell, "sequence", lambda *a, **b: self._sequence(cell, sequence, *a, **b))

    def _sequence(
        self, cell: Cell[Any], sequence: Callable[..., Any], *given: Any, **options: Any
    ) -> Any:
        inside = {each for each in cell.modules() if isinstance(each, Cell)}
        self._begins |= {self._tracks[each] for each in inside & self._tracks.keys()}
        # What is computed again in the backward would be noted again.
        return sequence(*given, **options | {"checkpoint": None})

    def _step(
        self, track: Track, step: Callable[..., Any], x: Any, state: Any, context: Any = None
    ) -> tuple[Tensor, Any]:
        before = self._noted
        x, parts = _apart(x)
        # In a stack every layer is read by the next, as in its `sequence`.
        deeper = not isinstance(track.cell, Stack)
        self._inside += deeper
        try:
            with track.gates.noting(track.cell, step, x, state, context):
                y, new = step(x, state, context)
        finally:
            self._inside -= deeper
        kept = [leaf for leaf in leaves(new) if leaf.is_floating_point()]
        # Around another cell stands no memory of its own.
        if self._noted == before and kept:
            self._noted += 1
            self._open.append((track, Moment(parts, kept, y)))
        if not self._inside:
            y = y.view_as(y)
            self._close(y)
        return y, new

    def _close(self, y: Tensor) -> None:
        for track, moment in self._open:
            moment.y = y
            last = track.passes[-1] if track.passes else []
            if not last or track in self._begins or len(last[-1].own) != len(moment.own):
                track.passes.append([])
            self._begins.discard(track)
            track.passes[-1].append(moment)
        self._open = []


def _apart(x: Any) -> tuple[Any, list[Tensor]]:
    """x with its features as tensors of their own in the graph, and those."""
    if isinstance(x, Timed | Observed):
        value = _own(x.value)
        return x._replace(value=value), [value]
    moved = tree_map(_own, x)
    return moved, [leaf for leaf in leaves(moved) if leaf.is_floating_point()]


def _own(leaf: Tensor) -> Tensor:
    if not leaf.is_floating_point():
        return leaf
    return leaf.view_as(leaf) if leaf.requires_grad else leaf.detach().requires_grad_()


def _backward(model: nn.Module) -> Iterator[Cell[Any]]:
    """Cells that the model runs from the end of a sequence."""
    for module in model.modules():
        turned: nn.Module | None = None
        if isinstance(module, Bidirectional):
            turned = module.backward_cell
        elif isinstance(module, Recurrent) and module.reverse:
            turned = module.cell
        if turned is not None:
            yield from (each for each in turned.modules() if isinstance(each, Cell))


def _stand_in(stack: ExitStack, module: nn.Module, name: str, value: object) -> None:
    """A value in the place of an attribute, until the stack closes."""
    held = vars(module)
    before = {name: held[name]} if name in held else {}
    held[name] = value

    def give_back() -> None:
        del held[name]
        held.update(before)

    stack.callback(give_back)
