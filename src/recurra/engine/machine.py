"""Runs plans natively: gives a program its arguments, and makes results of what it wrote."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recurra.engine import channels, native
from recurra.engine.arguments import Arguments
from recurra.engine.compute import Values, settle
from recurra.engine.emit import emit
from recurra.engine.graph import Node, ancestors
from recurra.engine.plan import Plan
from recurra.engine.program import Code, Packing, Phase, Program
from recurra.engine.rows import Rows
from recurra.engine.traced import Counts

ALIGNED = 64
TYPES = {dtype: np.dtype(str(dtype)[6:]).str for dtype in (torch.float32, torch.float64)}
LARGE = 1 << 18  # bytes; below, the system's allocator keeps its pages too


class Machine:
    """A plan made ready for the library.

    Args:
        counts: how many of the tensors are parameters, x, state and context.
        packing: of the matrices.

    Raises:
        NotNativeError: it has an operation that the library lacks.
    """

    def __init__(
        self,
        plan: Plan,
        dtype: torch.dtype,
        counts: Counts,
        *,
        training: bool,
        packing: Packing = Packing.FULL,
    ) -> None:
        self.dtype = dtype
        made = emit(plan, training=training, double=dtype == torch.float64, packing=packing)
        self.program = native.Program(made.program)
        self.plain = made.program
        self.channels = channels.channels(made.program)
        self._narrow: dict[int, native.Program] = {}
        self.buffers = len(made.program.buffers)
        (y,) = plan.outputs("y")
        self.y_shape = y.shape
        self.outputs = plan.step.outputs
        P, X, S, _ = counts
        self.x, self.state = slice(P, P + X), slice(P + X, P + X + S)
        self.context = slice(P + X + S, None)
        self.ways = [Arguments(plan, made, dtype, counts, backward=b) for b in (False, True)]
        self.sums = _sums(made.program, made.arguments)
        self._plan_finish()

    def _plan_finish(self) -> None:
        """How gradients of parameters are made of the sums: most are one, perhaps reshaped."""
        wanted = [node for node in self.outputs.get("dparameter", []) if node is not None]
        known = dict.fromkeys(each.node for each in self.sums) | dict.fromkeys(self.ways[1].known)
        self.finish = ancestors(wanted, known)
        for each in self.sums:
            readers = [node for node in self.finish if each.node in node.inputs]
            if each.node not in wanted and [node.op for node in readers] == ["view"]:
                each.held = readers[0]
                self.finish.remove(each.held)
        held = [each.held for each in self.sums]
        nodes = self.outputs.get("dparameter", [])
        # Which sum is the gradient of each parameter, where nothing is left to do.
        self.direct: list[int | None] | None = None
        if not self.finish and set(wanted) <= set(held):
            self.direct = [None if node is None else held.index(node) for node in nodes]

    def parts(self, rows: Rows) -> int:
        """Into how many parts channels are cut; 1 but for elementwise recurrences of few rows."""
        if not self.channels:
            return 1
        return channels.parts(self.channels, rows.B, rows.T, torch.get_num_threads())

    def kept_bytes(self, rows: Rows, parts: int = 1) -> int:
        """What the forward keeps for the backward."""
        return parts * self._program(parts).kept_bytes(rows.B, rows.steps())

    def _program(self, parts: int) -> native.Program:
        if parts == 1:
            return self.program
        if parts not in self._narrow:
            narrow = channels.narrowed(self.plain, self.channels, parts)
            self._narrow[parts] = native.Program(narrow)
        return self._narrow[parts]

    def forward(
        self,
        tensors: Sequence[Tensor],
        rows: Rows,
        kept: Tensor | None,
        y: Tensor | None = None,
        parts: int = 1,
    ) -> tuple["Task", Tensor, list[Tensor]]:
        """The task, and the outputs that it will fill.

        Args:
            tensors: parameters, x, state and context.
            y: where they go; each step of a row in one piece.
            parts: of the channels, each a job.
        """
        y = blank((rows.B, rows.T, *self.y_shape), self.dtype) if y is None else y
        last = [_like(each) for each in tensors[self.state]]
        return self._task(rows, kept, parts, tensors, (), (y, *last)), y, last

    def backward(
        self,
        tensors: Sequence[Tensor],
        rows: Rows,
        kept: Tensor,
        dy: Tensor | None,
        dlast: Sequence[Tensor | None],
        first: Sequence[bool] | None = None,
        parts: int = 1,
    ) -> tuple["Task", "Gradients"]:
        """The task, and the gradients that it will fill.

        Args:
            dy, dlast: zeros where there is none.
            first: which gradients of first states are wanted; all when not given.
            parts: as in the forward.
        """
        made = [
            None if node is None else blank(each.shape, self.dtype, time_first=_lies_by_time(each))
            for node, each in zip(self.outputs["dx"], tensors[self.x], strict=True)
        ]
        state = tensors[self.state]
        made += [
            _like(each) if yes else None
            for each, yes in zip(state, first or [True] * len(state), strict=True)
        ]
        made += [
            None if node is None else _like(each)
            for node, each in zip(self.outputs["dcontext"], tensors[self.context], strict=True)
        ]
        sums = [each.blank(self.dtype) for each in self.sums]
        task = self._task(rows, kept, parts, tensors, (dy, *dlast), (*made, *sums))
        return task, Gradients(self, tensors, task.values, sums, made)

    def _task(
        self,
        rows: Rows,
        kept: Tensor | None,
        parts: int,
        tensors: Sequence[Tensor],
        came: tuple[Tensor | None, ...],
        made: tuple[Tensor | None, ...],
    ) -> "Task":
        """A direction of the program on a call's tensors; see `Arguments.fill`."""
        backward = len(came) > 0
        words, values, alive = self.ways[backward].fill(rows.T, tensors, came, made)
        job = native.Job(
            self.program if parts == 1 else self._program(parts),
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
        return Task(jobs, values, (tensors, came, made, alive, rows, kept))

    def _cut(self, job: native.Job, rows: Rows, parts: int) -> list[native.Job]:
        """A job a part, each on its own columns and its own kept memory."""
        each = self.channels // parts * self.dtype.itemsize
        size = self._program(parts).kept_bytes(rows.B, rows.steps())
        wide = channels.wide(self.plain)
        found = []
        for part in range(parts):
            words = array("q", job.arguments)
            for number, moves in enumerate(wide):
                if moves and words[4 * number]:
                    words[4 * number] += part * each
            found.append(replace(job, arguments=words, kept=job.kept and job.kept + part * size))
        return found


def blank(shape: Sequence[int], dtype: torch.dtype, *, time_first: bool = False) -> Tensor:
    """Memory to be filled; much of it from the library's cache, where its pages are at hand.

    Args:
        shape: (B, T, …).
        time_first: it lies step after step, not row after row.
    """
    size = prod(shape) * dtype.itemsize
    if size >= LARGE:
        strides = _time_first(shape, dtype.itemsize) if time_first else None
        return torch.from_numpy(np.asarray(_Bytes(size, tuple(shape), TYPES[dtype], strides)))
    if time_first:
        return torch.empty_strided(shape, _time_first(shape), dtype=dtype)
    return torch.empty(shape, dtype=dtype)


def _time_first(shape: Sequence[int], size: int = 1) -> tuple[int, ...]:
    B, _, *row = shape
    columns = [size * prod(row[k + 1 :]) for k in range(len(row))]
    return (size * prod(row), size * B * prod(row), *columns)


def _lies_by_time(x: Tensor) -> bool:
    """Whether its gradient, which torch wants to lie as it does, goes step after step."""
    return not x.is_contiguous() and x.transpose(0, 1).is_contiguous()


def _like(tensor: Tensor) -> Tensor:
    if tensor.is_contiguous():
        return torch.empty_like(tensor)
    return torch.empty(tensor.shape, dtype=tensor.dtype)


@dataclass(slots=True)
class Sum:
    """A sum over rows.

    Args:
        full: whether the program writes every number of it.
        held: the value that its memory is shaped as: the sum, or the one view of it.
    """

    node: Node
    full: bool
    held: Node

    def blank(self, dtype: torch.dtype) -> Tensor:
        """Memory for it."""
        make = torch.empty if self.full else torch.zeros
        return make(self.held.shape, dtype=dtype)


def _sums(program: Program, arguments: Sequence[Any]) -> list[Sum]:
    written: dict[Node, int] = dict.fromkeys(
        (each.node for each in arguments if each.kind == "over"), 0
    )
    for i in program.segments.get(Phase.CONTRACT, []):
        node = arguments[i.numbers[0]].node
        written[node] += i.d * i.n if i.code == Code.TOTAL else prod(i.numbers[1:4])
    return [Sum(node, count == prod(node.shape), node) for node, count in written.items()]


class Task(NamedTuple):
    """Jobs, the values that they were given, and the memory that they read and write."""

    jobs: list[native.Job]
    values: Values
    alive: Any


class Gradients(NamedTuple):
    """What a backward filled."""

    machine: Machine
    tensors: Sequence[Tensor]
    values: Values
    sums: list[Tensor]
    others: list[Tensor | None]

    def listed(self) -> list[Tensor | None]:
        """One a tensor; what is left to do on sums over rows is done in torch."""
        machine, sums = self.machine, self.sums
        if machine.direct is not None:
            found = [None if k is None else sums[k] for k in machine.direct]
            return found + self.others
        made = {each.held: part for each, part in zip(machine.sums, sums, strict=True)}
        values = dict(self.values or machine.ways[1].given(self.tensors))
        nodes = machine.outputs["dparameter"]
        settle(machine.finish, [node for node in nodes if node is not None], made, values)
        return [*(None if node is None else values[node] for node in nodes), *self.others]


def memory(size: int) -> Tensor:
    """Bytes for the library alone; many of them its own, given back when the tensor goes."""
    if size < LARGE:
        return torch.empty(size, dtype=torch.uint8)
    return torch.from_numpy(np.asarray(_Bytes(size, (size,), "|u1")))


def aligned(kept: Tensor) -> Tensor:
    """The same bytes where the library can read them: torch's hooks may have moved them."""
    return kept if kept.is_contiguous() and kept.data_ptr() % ALIGNED == 0 else kept.clone()


class _Bytes:
    """A block as numpy takes it."""

    def __init__(
        self, size: int, shape: tuple[int, ...], kind: str, strides: tuple[int, ...] | None = None
    ) -> None:
        self._block = native.Block(size)
        self.__array_interface__ = {
            "data": (self._block.address, False),
            "shape": shape,
            "strides": strides,
            "typestr": kind,
            "version": 3,
        }
