"""Runs plans natively: gives a program its arguments, and makes results of what it wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.engine import native
from recurra.engine.compute import Values, compute
from recurra.engine.draft import Argument
from recurra.engine.emit import emit
from recurra.engine.plan import Plan
from recurra.engine.rows import Rows

ALIGNED = 64


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
        self.plan = plan
        self.dtype = dtype
        made = emit(plan, training=training, double=dtype == torch.float64, half=half)
        self.arguments = made.arguments
        self.program = native.Program(made.program)
        self.buffers = len(made.program.buffers)
        used = [each for each in made.arguments if each.node is not None]
        wanted = {each.node: None for each in used if each.kind in ("once", "matrix", "row")}
        self.needed = [node for node in wanted if node is not None]
        self.sums = list({each.node: None for each in used if each.kind == "over"})
        self.numbers = {
            each.number: torch.tensor([each.number], dtype=dtype)
            for each in made.arguments
            if each.kind == "number"
        }
        order = plan.order
        self.leaves = [
            (node, node.leaf.kind, node.leaf.index) for node in order if node.op == "leaf"
        ]

    def shared(self, parameters: Sequence[Tensor], context: Sequence[Tensor]) -> Values:
        """What does not change over time, computed in torch."""
        given = {"parameter": parameters, "context": context}
        values = {n: given[kind][k] for n, kind, k in self.leaves if kind in given}
        compute(self.needed, values)
        return values

    def forward(
        self, tensors: "Tensors", rows: Rows, kept: Tensor | None
    ) -> tuple["Task", Tensor, list[Tensor]]:
        """The task, and the outputs that it will fill."""
        y_node = self.plan.outputs("y")[0]
        make = torch.empty if rows.lengths is None else torch.zeros
        y = make(rows.B, rows.T, *y_node.shape, dtype=self.dtype)
        last = [
            torch.empty_like(each, memory_format=torch.contiguous_format) for each in tensors.state
        ]
        found = {
            "shared": self.shared(tensors.parameters, tensors.context),
            "x": tensors.x,
            "y": [y],
            "first": tensors.state,
            "last": last,
        }
        return self._job(found, rows, kept, backward=False), y, last

    def backward(
        self,
        tensors: "Tensors",
        rows: Rows,
        kept: Tensor,
        dy: Tensor,
        dlast: Sequence[Tensor],
    ) -> tuple["Task", "Gradients"]:
        """The task, and the gradients that it will fill."""
        shared = self.shared(tensors.parameters, tensors.context)
        make = torch.empty_like if rows.lengths is None else torch.zeros_like
        outputs = self.plan.step.outputs
        format_ = torch.contiguous_format
        dx = [
            None if node is None else make(each, memory_format=format_, dtype=self.dtype)
            for node, each in zip(outputs["dx"], tensors.x, strict=True)
        ]
        dcontext = [
            None if node is None else torch.empty_like(each, memory_format=format_)
            for node, each in zip(outputs["dcontext"], tensors.context, strict=True)
        ]
        dfirst = [torch.empty_like(each, memory_format=format_) for each in dlast]
        sums = {node: torch.zeros(node.shape, dtype=self.dtype) for node in self.sums if node}
        found = {
            "shared": shared,
            "x": tensors.x,
            "dy": [dy],
            "dx": dx,
            "dlast": dlast,
            "dfirst": dfirst,
            "drow": dcontext,
            "over": sums,
        }
        job = self._job(found, rows, kept, backward=True)
        return job, Gradients(self.plan, shared, sums, dx, dfirst, dcontext)

    def _job(
        self, found: dict[str, Any], rows: Rows, kept: Tensor | None, *, backward: bool
    ) -> "Task":
        words: list[int] = []
        alive: list[Tensor] = []
        for argument in self.arguments:
            words += self._words(argument, found, alive)
        job = native.Job(
            self.program,
            words,
            rows.B,
            rows.T,
            0 if rows.order is None else rows.order.data_ptr(),
            0 if rows.lengths is None else rows.lengths.data_ptr(),
            rows.reverse,
            backward,
            0 if kept is None else kept.data_ptr(),
        )
        return Task(job, [alive, found, rows, kept])

    def _words(
        self, argument: Argument, found: dict[str, Any], alive: list[Tensor]
    ) -> tuple[int, int, int, int]:
        kind, node = argument.kind, argument.node
        if kind == "number":
            return self.numbers[argument.number].data_ptr(), 0, 0, 0
        if kind in ("once", "row", "matrix"):
            value = found["shared"][node]
            if kind == "matrix":
                return _matrix(value, argument.offset)
            value = value.to(self.dtype).contiguous()
            alive.append(value)
            return value.data_ptr(), value.stride(0) if kind == "row" else 0, 0, 0
        if kind == "over":
            return _sum(found["over"][node], argument.offset) if "over" in found else (0, 0, 0, 0)
        listed = found.get(kind)
        value = None if listed is None else listed[argument.index]
        if value is None:
            return 0, 0, 0, 0
        per_step = kind in ("x", "y", "dy", "dx")
        value = _rows(value, 2 if per_step else 1, self.dtype)
        alive.append(value)
        strides = value.stride()
        return value.data_ptr(), strides[0], strides[1] if per_step else 0, 0


@dataclass
class Task:
    """A job, and the memory that it reads and writes."""

    job: native.Job
    alive: list[Any]


@dataclass
class Tensors:
    """What goes in: flat lists."""

    parameters: list[Tensor]
    x: list[Tensor]
    state: list[Tensor]
    context: list[Tensor]


@dataclass
class Gradients:
    """What a backward filled; `parameters` finishes the sums over rows in torch."""

    plan: Plan
    shared: Values
    sums: Values
    x: list[Tensor | None]
    state: list[Tensor]
    context: list[Tensor | None]

    def parameters(self) -> list[Tensor | None]:
        """One a parameter."""
        nodes = self.plan.step.outputs["dparameter"]
        values = self.shared | self.sums
        compute([node for node in nodes if node is not None], values)
        return [None if node is None else values[node] for node in nodes]


def memory(size: int) -> Tensor:
    """Bytes of the library's own memory, given back when the tensor goes."""
    return torch.from_numpy(np.asarray(_Bytes(size))) if size else torch.empty(0, dtype=torch.uint8)


def aligned(kept: Tensor) -> Tensor:
    """The same bytes where the library can read them: torch's hooks may have moved them."""
    return kept if kept.is_contiguous() and kept.data_ptr() % ALIGNED == 0 else kept.clone()


class _Bytes:
    """A block as numpy takes it."""

    def __init__(self, size: int) -> None:
        self._block = native.Block(size)
        self.__array_interface__ = {
            "data": (self._block.address, False),
            "shape": (size,),
            "typestr": "|u1",
            "version": 3,
        }


def _matrix(value: Tensor, offset: tuple[int, int]) -> tuple[int, int, int, int]:
    *block, k, n = value.stride()
    address = value.data_ptr() + value.element_size() * (offset[0] * k + offset[1] * n)
    return address, block[0] if block else 0, k, n


def _sum(value: Tensor, offset: tuple[int, int]) -> tuple[int, int, int, int]:
    if value.ndim != 3:
        return value.data_ptr(), 0, 0, 0
    block, m, n = value.stride()
    address = value.data_ptr() + value.element_size() * (offset[0] * m + offset[1] * n)
    return address, block, m, n


def _rows(value: Tensor, lead: int, dtype: torch.dtype) -> Tensor:
    """The tensor, or a copy of it in which the numbers of a row follow each other."""
    if value.dtype != dtype:
        return value.to(dtype).contiguous()
    return value if _packed(value, lead) else value.contiguous()


def _packed(value: Tensor, lead: int) -> bool:
    step = 1
    for size, stride in zip(
        reversed(value.shape[lead:]), reversed(value.stride()[lead:]), strict=True
    ):
        if size != 1 and stride != step:
            return False
        step *= size
    return True
