"""What the gates of a cell did: how many of their numbers never left one end.

A gate is a sigmoid inside a step. Which one it is follows from the rows of the cell's stacked
weights that its argument was made of, as the derivative of a single step says.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from recurra.cells import Cell
from recurra.engine import tree_map

# A gate below the first is shut, above the second open; it is stuck when it is so nearly always.
SHUT, OPEN, NEARLY = 0.05, 0.95, 0.95
SIGMOIDS = (torch.sigmoid, Tensor.sigmoid)
BENDS = (*SIGMOIDS, torch.tanh, Tensor.tanh, torch.relu, torch.softmax, torch.exp)


class Gates:
    """Counts of one cell's gates over rows and steps."""

    def __init__(self) -> None:
        self._names: list[list[str]] | None = None
        self._counts: dict[str, list[Tensor]] = {}
        self._moments = 0

    @contextmanager
    def noting(
        self, cell: Cell[Any], step: Callable[..., Any], x: Any, state: Any, context: Any
    ) -> Iterator[None]:
        """Count what the step inside does; of a cell around another one nothing."""
        if any(isinstance(each, Cell) for each in cell.modules() if each is not cell):
            yield
            return
        if self._names is None:
            self._names = _names(cell, step, x, state, context)
        with Sigmoids() as seen:
            yield
        if len(seen.outputs) != len(self._names):
            return
        for value, names in zip(seen.outputs, self._names, strict=True):
            for name, part in zip(names, value.chunk(len(names), -1), strict=True):
                self._count(name, part.flatten(1))
        self._moments += len(seen.outputs[0]) if seen.outputs else 0

    def shares(self) -> dict[str, tuple[float, float]]:
        """By a gate's name the shares of its units that are stuck shut, and stuck open."""
        most = NEARLY * self._moments
        found = {}
        for name, counts in self._counts.items():
            shut, opened = ((count >= most).float().mean().item() for count in counts)
            found[name] = shut, opened
        return found

    def _count(self, name: str, value: Tensor) -> None:
        found = [(value < SHUT).sum(0), (value > OPEN).sum(0)]
        before = self._counts.get(name)
        self._counts[name] = (
            found if before is None else [a + b for a, b in zip(before, found, strict=True)]
        )


class Sigmoids(TorchFunctionMode):
    """Keeps the results of all sigmoids; `cut` also ends the graph at every bend.

    Args:
        cut: keep the arguments in place of the results.
    """

    def __init__(self, cut: bool = False) -> None:
        super().__init__()
        self.cut = cut
        self.outputs: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in SIGMOIDS:
            self.outputs.append(args[0] if self.cut else result.detach())
        # Behind another gate a row of weights has no say in which gate this one is.
        return result.detach() if self.cut and func in BENDS else result


def _names(
    cell: Cell[Any], step: Callable[..., Any], x: Any, state: Any, context: Any
) -> list[list[str]]:
    """For each sigmoid of a step, in their order, the gates that lie in it side by side."""
    given = tree_map(Tensor.detach, (x, state))
    with torch.enable_grad(), Sigmoids(cut=True) as seen:
        step(*given, context)
    named = [_rows(cell, argument) for argument in seen.outputs]
    taken: set[str] = set()
    for number, names in enumerate(named):
        if not names or taken & {*names} or len({*names}) < len(names):
            named[number] = names = [f"sigmoid {number + 1}"]
        taken |= {*names}
    return named


def _rows(cell: Cell[Any], argument: Tensor) -> list[str]:
    """The names of the gates whose rows of weights an argument was made of; none if unclear."""
    for weight in cell.parameters():
        height, rest = (
            divmod(len(weight), len(cell.gates)) if cell.gates and weight.ndim else (0, 1)
        )
        if rest or not height or not weight.requires_grad or argument.shape[-1] % height:
            continue
        found = [_gate(cell, weight, part) for part in torch.split(argument, height, -1)]
        if all(found):
            return found
    return []


def _gate(cell: Cell[Any], weight: Tensor, part: Tensor) -> str:
    if not part.requires_grad:
        return ""
    (slope,) = torch.autograd.grad(part.sum(), weight, retain_graph=True, allow_unused=True)
    if slope is None:
        return ""
    rows = slope.reshape(len(cell.gates), -1).abs().sum(1)
    return cell.gates[int(rows.argmax())] if int((rows > 0).sum()) == 1 else ""
