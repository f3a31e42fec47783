"""Runs plans natively: gives a program its arguments, and makes results of what it wrote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.engine import channels, native
from recurra.engine.arguments import Arguments
from recurra.engine.compute import Values, evaluate
from recurra.engine.emit import emit
from recurra.engine.graph import Node, ancestors
from recurra.engine.plan import Plan
from recurra.engine.program import Code, Phase, Program
from recurra.engine.rows import Rows

ALIGNED = 64
TYPES = {dtype: np.dtype(str(dtype)[6:]).str for dtype in (torch.float32, torch.float64)}
LARGE = 1 << 18  # bytes; below, the system's allocator keeps its pages too


class Machine:
    """A plan made ready for the library.

    Args:
        half: matrices are packed as bfloat16.

    Raises:
        NotNativeError: it has an operation that the library lacks.
    """

    def __init__(
        self, plan: Plan, dtype: torch.dtype, *, training: bool, half: bool = False
    ) -> None:
        self.dtype = dtype
        made = emit(plan, training=training, double=dtype == torch.float64, half=half)
        self.program = native.Program(made.program)
        self.plain = made.program
        self.channels = channels.channels(made.program)
        self._narrow: dict[int, native.Program] = {}
        self.buffers = len(made.program.buffers)
        (y,) = plan.outputs("y")
        self.y_shape = y.shape
        self.outputs = plan.step.outputs
        self.ways = [Arguments(plan, made, dtype, backward=back) for back in (False, True)]
        over = {each.node: None for each in made.arguments if each.kind == "over"}
        filled = _filled(made.program, made.arguments)
        self.sums = [(node, filled[node] == prod(node.shape)) for node in over if node is not None]
        wanted = [node for node in self.outputs.get("dparameter", []) if node is not None]
        known = {node for node, _ in self.sums} | self.ways[True].known
        self.finish = ancestors(wanted, known)

    def parts(self, rows: Rows) -> int:
        """Into how many parts channels are cut; 1 but for elementwise recurrences of few rows."""
        return channels.parts(self.channels, rows.B, rows.T, torch.get_num_threads())

    def kept_bytes(self, rows: Rows, parts: int = 1) -> int:
        """What the forward keeps for the backward."""
        return parts * self._program(parts).kept_bytes(rows.B, rows.count())

    def _program(self, parts: int) -> native.Program:
        if parts == 1:
            return self.program
        if parts not in self._narrow:
            narrow = channels.narrowed(self.plain, self.channels, parts)
            self._narrow[parts] = native.Program(narrow)
        return self._narrow[parts]

    def forward(
        self,
        tensors: "Tensors",
        rows: Rows,
        kept: Tensor | None,
        y: Tensor | None = None,
        parts: int = 1,
    ) -> tuple["Task", Tensor, list[Tensor]]:
        """The task, and the outputs that it will fill.

        Args:
            y: where they go; each step of a row in one piece.
            parts: of the channels, each a job.
        """
        y = blank((rows.B, rows.T, *self.y_shape), self.dtype) if y is None else y
        last = [_like(each) for each in tensors.state]
        found = {"x": tensors.x, "y": (y,), "first": tensors.state, "last": last}
        return self._task(tensors, found, rows, kept, parts, backward=False), y, last

    def backward(
        self,
        tensors: "Tensors",
        rows: Rows,
        kept: Tensor,
        dy: Tensor,
        dlast: Sequence[Tensor],
        first: Sequence[bool] | None = None,
        parts: int = 1,
    ) -> tuple["Task", "Gradients"]:
        """The task, and the gradients that it will fill.

        Args:
            first: which gradients of first states are wanted; all when not given.
            parts: as in the forward.
        """
        dx = [
            None if node is None else blank(each.shape, self.dtype)
            for node, each in zip(self.outputs["dx"], tensors.x, strict=True)
        ]
        dcontext = [
            None if node is None else _like(each)
            for node, each in zip(self.outputs["dcontext"], tensors.context, strict=True)
        ]
        wanted = first or [True] * len(dlast)
        dfirst = [_like(each) if yes else None for each, yes in zip(dlast, wanted, strict=True)]
        sums = {
            node: blank(node.shape, self.dtype)
            if full
            else torch.zeros(node.shape, dtype=self.dtype)
            for node, full in self.sums
        }
        found = {
            "x": tensors.x,
            "dy": (dy,),
            "dx": dx,
            "dlast": dlast,
            "dfirst": dfirst,
            "drow": dcontext,
            "over": sums,
        }
        task = self._task(tensors, found, rows, kept, parts, backward=True)
        return task, Gradients(self, task.values, sums, dx, dfirst, dcontext)

    def _task(
        self,
        tensors: "Tensors",
        found: dict[str, Any],
        rows: Rows,
        kept: Tensor | None,
        parts: int,
        *,
        backward: bool,
    ) -> "Task":
        way = self.ways[backward]
        words, values, alive = way.fill(tensors.parameters, tensors.context, found)
        job = native.Job(
            self._program(parts),
            words,
            rows.B,
            rows.T,
            0 if rows.order is None else rows.order.data_ptr(),
            0 if rows.lengths is None else rows.lengths.data_ptr(),
            rows.reverse,
            backward,
            0 if kept is None else kept.data_ptr(),
        )
        jobs = [job] if parts == 1 else self._cut(job, rows, parts)
        return Task(jobs, values, (alive, found, rows, kept))

    def _cut(self, job: native.Job, rows: Rows, parts: int) -> list[native.Job]:
        """A job a part, each on its own columns and its own kept memory."""
        each = self.channels // parts * self.dtype.itemsize
        size = self._program(parts).kept_bytes(rows.B, rows.count())
        wide = channels.wide(self.plain)
        found = []
        for part in range(parts):
            words = list(job.arguments)
            for number, moves in enumerate(wide):
                if moves and words[4 * number]:
                    words[4 * number] += part * each
            found.append(replace(job, arguments=words, kept=job.kept and job.kept + part * size))
        return found


def blank(shape: Sequence[int], dtype: torch.dtype, *, time_first: bool = False) -> Tensor:
    """Memory to be filled; much of it from the library's cache, where its pages are at hand.

    Args:
        shape: (B, T, …) with `time_first`, which puts step after step.
    """
    if time_first:
        shape = (shape[1], shape[0], *shape[2:])
    size = prod(shape) * dtype.itemsize
    if size < LARGE:
        made = torch.empty(shape, dtype=dtype)
    else:
        made = torch.from_numpy(np.asarray(_Bytes(size, tuple(shape), TYPES[dtype])))
    # No view, which autograd would watch: another tensor on the same memory.
    return made.transpose(0, 1).detach() if time_first else made


def _like(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype)


def _filled(program: Program, arguments: Sequence[Any]) -> dict[Node, int]:
    """How many numbers of each sum over rows the program writes."""
    found: dict[Node, int] = dict.fromkeys(
        (each.node for each in arguments if each.kind == "over"), 0
    )
    for i in program.segments.get(Phase.CONTRACT, []):
        node = arguments[i.numbers[0]].node
        found[node] += i.d * i.n if i.code == Code.TOTAL else prod(i.numbers[1:])
    return found


@dataclass(slots=True)
class Task:
    """Jobs, the values that they were given, and the memory that they read and write."""

    jobs: list[native.Job]
    values: Values
    alive: Any


@dataclass(slots=True)
class Tensors:
    """What goes in: flat lists."""

    parameters: list[Tensor]
    x: list[Tensor]
    state: list[Tensor]
    context: list[Tensor]


@dataclass(slots=True)
class Gradients:
    """What a backward filled; `parameters` finishes the sums over rows in torch."""

    machine: Machine
    values: Values
    sums: Values
    x: list[Tensor | None]
    state: list[Tensor | None]
    context: list[Tensor | None]

    def parameters(self) -> list[Tensor | None]:
        """One a parameter."""
        values = self.values | self.sums
        evaluate(self.machine.finish, values)
        nodes = self.machine.outputs["dparameter"]
        return [None if node is None else values[node] for node in nodes]


def memory(size: int) -> Tensor:
    """Bytes of the library's own memory, given back when the tensor goes."""
    if not size:
        return torch.empty(0, dtype=torch.uint8)
    return torch.from_numpy(np.asarray(_Bytes(size, (size,), "|u1")))


def aligned(kept: Tensor) -> Tensor:
    """The same bytes where the library can read them: torch's hooks may have moved them."""
    return kept if kept.is_contiguous() and kept.data_ptr() % ALIGNED == 0 else kept.clone()


class _Bytes:
    """A block as numpy takes it."""

    def __init__(self, size: int, shape: tuple[int, ...], kind: str) -> None:
        self._block = native.Block(size)
        self.__array_interface__ = {
            "data": (self._block.address, False),
            "shape": shape,
            "typestr": kind,
            "version": 3,
        }
