"""What a program is given at a call: addresses and strides, four numbers an argument.

Which tensor is behind an argument, and how it is looked at, is found out once. At a call only the
addresses are left to fill in, and what is no view of a parameter is computed in torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.engine import place
from recurra.engine.compute import Values, evaluate
from recurra.engine.draft import Argument
from recurra.engine.emit import Emitted
from recurra.engine.graph import VIEWS, Node, ancestors
from recurra.engine.plan import Plan
from recurra.engine.program import Code, Phase, Program

PER_STEP = ("x", "y", "dy", "dx")


class Arguments:
    """The arguments of one direction of a program.

    Attributes:
        known: nodes whose values `fill` gives.
    """

    def __init__(self, plan: Plan, made: Emitted, dtype: torch.dtype, *, backward: bool) -> None:
        self.dtype = dtype
        self.size = torch.empty(0, dtype=dtype).element_size()
        self.template = [0] * (4 * len(made.arguments))
        self.views: list[tuple[int, int, int]] = []  # word, parameter, bytes from its beginning
        self.values: list[tuple[int, Node, Argument]] = []  # word of what torch computes
        self.rows: list[tuple[int, str, int]] = []  # word, kind, index of what the caller has
        self.sums: list[tuple[int, Node, Argument]] = []
        self.numbers: list[Tensor] = []  # literals, alive as long as their addresses
        self.leaves = [
            (node, node.leaf.kind == "context", node.leaf.index)
            for node in plan.order
            if node.op == "leaf" and node.leaf.kind in ("parameter", "context")
        ]
        for number in sorted(_used(made.program, backward=backward)):
            self._take(4 * number, made.arguments[number])
        leaves = {node for node, *_ in self.leaves}
        self.order = ancestors([node for _, node, _ in self.values], leaves)
        self.known = leaves | set(self.order)
        self.parameters = sorted({index for _, index, _ in self.views})

    def _take(self, word: int, argument: Argument) -> None:
        kind, node = argument.kind, argument.node
        if kind == "number":
            self.numbers.append(torch.tensor([argument.number], dtype=self.dtype))
            self.template[word] = self.numbers[-1].data_ptr()
        elif node is None:
            self.rows.append((word, kind, argument.index))
        elif kind == "over":
            self.sums.append((word, node, argument))
        elif kind == "row" or not self._take_view(word, node, argument):
            self.values.append((word, node, argument))

    def _take_view(self, word: int, node: Node, argument: Argument) -> bool:
        view = _view(node)
        if view is None:
            return False
        offset = view.offset
        if argument.kind == "matrix":
            block, k, n = (0, *view.strides)[-3:]
            offset += argument.offset[0] * k + argument.offset[1] * n
            self.template[word + 1 : word + 4] = block, k, n
        elif place.flat(view) is None:
            return False
        self.views.append((word, view.buffer, self.size * offset))
        return True

    def fill(
        self, parameters: Sequence[Tensor], context: Sequence[Tensor], found: Mapping[str, Any]
    ) -> tuple[list[int], Values, list[Tensor]]:
        """The numbers of a call, the values in them, and tensors that must outlive the call.

        Args:
            found: what the caller has and wants, by the kind of argument.
        """
        words, alive = self.template.copy(), []
        given = {node: (context if other else parameters)[k] for node, other, k in self.leaves}
        address: dict[int, int] = {}
        for index in self.parameters:
            tensor = parameters[index]
            if tensor.dtype != self.dtype or not tensor.is_contiguous():
                tensor = tensor.detach().to(self.dtype).contiguous()
                alive.append(tensor)
            address[index] = tensor.data_ptr()
        for word, index, offset in self.views:
            words[word] = address[index] + offset
        evaluate(self.order, given)
        for word, node, argument in self.values:
            words[word : word + 4] = self._value(given[node], argument, alive)
        for word, kind, index in self.rows:
            tensor = found[kind][index]
            if tensor is None:
                continue
            if tensor.dtype == self.dtype and tensor.is_contiguous():
                words[word], words[word + 1] = tensor.data_ptr(), tensor.stride(0)
                if kind in PER_STEP:
                    words[word + 2] = tensor.stride(1)
            else:
                words[word : word + 3] = self._row(tensor, kind, alive)
        for word, node, argument in self.sums:
            words[word : word + 4] = self._block(found["over"][node], argument.offset)
        return words, given, alive

    def _value(self, value: Tensor, argument: Argument, alive: list[Tensor]) -> list[int]:
        value = value.to(self.dtype)
        if argument.kind == "matrix":
            alive.append(value)
            return self._block(value, argument.offset)
        value = value.contiguous()
        alive.append(value)
        return [value.data_ptr(), value.stride(0) if argument.kind == "row" else 0, 0, 0]

    def _row(self, value: Tensor, kind: str, alive: list[Tensor]) -> tuple[int, int, int]:
        """Address and strides of rows in which numbers follow each other; copied where need be."""
        lead = 2 if kind in PER_STEP else 1
        if value.dtype != self.dtype:
            value = value.to(self.dtype).contiguous()
        elif not _packed(value, lead):
            if any(value.stride()[:lead]):
                value = value.contiguous()
            else:  # such as the gradient of a sum: every row is the same one
                row = value[(0,) * lead].contiguous()
                alive.append(row)
                return row.data_ptr(), 0, 0
        alive.append(value)
        strides = value.stride()
        return value.data_ptr(), strides[0], strides[1] if lead == 2 else 0

    def _block(self, value: Tensor, offset: tuple[int, int]) -> list[int]:
        if value.ndim < 2:
            return [value.data_ptr(), 0, 0, 0]
        *block, m, n = value.stride()
        address = value.data_ptr() + self.size * (offset[0] * m + offset[1] * n)
        return [address, block[0] if block else 0, m, n]


def _used(program: Program, *, backward: bool) -> set[int]:
    """The arguments that a direction touches."""
    found: set[int] = set()
    for phase, segment in program.segments.items():
        if (phase >= Phase.B_BEGIN) is not backward:
            continue
        for i in segment:
            found |= {program.buffers[o.buffer].argument for o in i.operands}
            if i.code == Code.PRODUCT:
                found.add(program.matrices[i.numbers[0]].argument)
            elif i.code in (Code.CONTRACT, Code.TOTAL):
                found.add(i.numbers[0])
    return found - {-1}


def _view(node: Node) -> place.Location | None:
    """How a value looks at a parameter, whose number is in `buffer`; None where it does not."""
    if node.op == "leaf":
        if node.rows or node.leaf.kind != "parameter":
            return None
        return place.filling(node.leaf.index, node.shape)
    if node.op not in VIEWS:
        return None
    inner = _view(node.inputs[0])
    return None if inner is None else place.seen(inner, node)


def _packed(value: Tensor, lead: int) -> bool:
    step = 1
    for size, stride in zip(
        reversed(value.shape[lead:]), reversed(value.stride()[lead:]), strict=True
    ):
        if size != 1 and stride != step:
            return False
        step *= size
    return True
