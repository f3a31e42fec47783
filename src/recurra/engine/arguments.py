"""What a program is given at a call: addresses and strides, four numbers an argument.

Which tensor is behind an argument, and how it is looked at, is found out once. At a call only the
addresses are left to fill in, and what is no view of a parameter is computed in torch.
"""

from array import array
from collections.abc import Sequence
from operator import add
from typing import Any

import torch
from torch import Tensor

from recurra.engine import place
from recurra.engine.compute import Values, evaluate
from recurra.engine.draft import Argument
from recurra.engine.emit import Emitted
from recurra.engine.graph import VIEWS, Node, ancestors
from recurra.engine.plan import Plan
from recurra.engine.program import Code, Kind, Phase, Program
from recurra.engine.traced import Counts

PER_STEP = ("x", "y", "dy", "dx")
ROWS = (Kind.OUTER, Kind.OUTER_ROW)
ADDRESS, CONTIGUOUS = Tensor.data_ptr, Tensor.is_contiguous


class Arguments:
    """The arguments of one direction of a program.

    Attributes:
        known: nodes whose values `fill` gives.
    """

    def __init__(
        self, plan: Plan, made: Emitted, dtype: torch.dtype, counts: Counts, *, backward: bool
    ) -> None:
        self.dtype = dtype
        self.size = dtype.itemsize
        self.index = _index(made, counts, backward=backward)
        self.widths = {b.argument: b.width for b in made.program.buffers if b.kind in ROWS}
        self.template = array("q", bytes(8 * 4 * len(made.arguments)))
        # One an argument: which tensor it is in, the last for none, and bytes from its beginning.
        self.tensors, self.offsets = [-1] * len(made.arguments), [0] * len(made.arguments)
        self.steps: list[tuple[int, int]] = []  # word, numbers in a step: T of them are a row
        self.views: list[int] = []  # parameters that are read where they lie
        self.rows: list[tuple[int, int, int]] = []  # word, tensor, its dimensions before a row's
        self.gradients: list[tuple[int, int, int]] = []  # the same of what comes to a backward
        self.values: list[tuple[int, Node, Argument]] = []  # word of what torch computes
        self.numbers: list[Tensor] = []  # literals, alive as long as their addresses
        self.zeros = torch.zeros(max(self.widths.values(), default=0), dtype=dtype)
        first = {"parameter": 0, "context": sum(counts[:3])}
        self.leaves = [
            (node, first[node.leaf.kind] + node.leaf.index)
            for node in plan.order
            if node.op == "leaf" and node.leaf.kind in first
        ]
        for number in sorted(_used(made.program, backward=backward)):
            self._take(4 * number, made.arguments[number])
        leaves = {node for node, _ in self.leaves}
        self.order = ancestors([node for _, node, _ in self.values], leaves)
        self.known = leaves | set(self.order)

    def _take(self, word: int, argument: Argument) -> None:
        kind, node = argument.kind, argument.node
        if kind == "number":
            self.numbers.append(torch.tensor([argument.number], dtype=self.dtype))
            self._place(word, -1, self.numbers[-1].data_ptr())
        elif node is None:
            self._take_rows(word, kind, self.index[kind, argument.index])
        elif kind == "over":
            self._take_sum(word, node, argument)
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
            self.template[word + 1 : word + 4] = array("q", (block, k, n))
        elif place.flat(view) is None:
            return False
        self.views.append(view.buffer)
        self._place(word, view.buffer, self.size * offset)
        return True

    def _take_rows(self, word: int, kind: str, index: int) -> None:
        """Rows in one piece; `fill` looks whether they are."""
        width, lead = self.widths[word // 4], 2 if kind in PER_STEP else 1
        self._place(word, index, 0)
        self.template[word + lead] = width
        if lead == 2:
            self.steps.append((word + 1, width))
        listed = self.gradients if kind in ("dy", "dlast") else self.rows
        listed.append((word, index, lead))

    def _take_sum(self, word: int, node: Node, argument: Argument) -> None:
        offset = 0
        if len(node.shape) > 1:
            *_, M, N = node.shape
            offset = argument.offset[0] * N + argument.offset[1]
            self.template[word + 1 : word + 4] = array("q", (M * N, N, 1))
        self._place(word, self.index["over", node], self.size * offset)

    def _place(self, word: int, tensor: int, offset: int) -> None:
        self.tensors[word // 4], self.offsets[word // 4] = tensor, offset

    def fill(
        self,
        T: int,
        tensors: Sequence[Tensor],
        came: Sequence[Tensor | None],
        made: Sequence[Tensor | None],
    ) -> tuple["array[int]", Values, list[Tensor]]:
        """The numbers of a call, the values in them, and tensors that must outlive the call.

        Args:
            tensors: parameters, x, state and context.
            came: gradients of y and of the last states; zeros where there is none.
            made: y and the last states, or gradients of x, states and context, and the sums over
                rows; all in one piece but y, and gradients of x that is not; None where it is not
                wanted.
        """
        words = self.template[:]
        alive: list[Tensor] = []
        given: Values = {}
        address = [*map(ADDRESS, tensors)]
        address += [0 if each is None else each.data_ptr() for each in (*came, *made)]
        straight = all(map(CONTIGUOUS, tensors))
        if not straight:
            self._straighten(address, tensors, alive)
        address.append(0)
        words[::4] = array("q", map(add, map(address.__getitem__, self.tensors), self.offsets))
        for word, width in self.steps:
            words[word] = T * width
        if self.values:
            given = self.given(tensors)
        for word, node, argument in self.values:
            self._put_value(words, word, given[node], argument, alive)
        if came:
            self._put_rows(words, self.gradients, [*tensors, *came], alive)
        y = None if came else made[0]
        if not straight or (y is not None and not y.is_contiguous()):
            self._put_rows(words, self.rows, [*tensors, *came, *made], alive)
        return words, given, alive

    def _straighten(
        self, address: list[int], tensors: Sequence[Tensor], alive: list[Tensor]
    ) -> None:
        """Parameters that are read where they lie do so in one piece; else copies of them."""
        for index in dict.fromkeys(self.views):
            tensor = tensors[index]
            if not tensor.is_contiguous():
                alive.append(tensor.detach().contiguous())
                address[index] = alive[-1].data_ptr()

    def _put_rows(
        self,
        words: "array[int]",
        rows: Sequence[tuple[int, int, int]],
        every: Sequence[Tensor | None],
        alive: list[Tensor],
    ) -> None:
        """Rows that are not in one piece, and zeros for gradients that did not come."""
        for word, index, lead in rows:
            tensor = every[index]
            if tensor is None:
                nothing = self.zeros.data_ptr() if rows is self.gradients else 0
                words[word : word + 3] = array("q", (nothing, 0, 0))
            elif not tensor.is_contiguous() or tensor.dtype != self.dtype:
                words[word : word + 3] = self._row(tensor, lead, alive)

    def given(self, tensors: Sequence[Tensor]) -> Values:
        """The values of all that is `known`."""
        given = {node: tensors[k] for node, k in self.leaves}
        evaluate(self.order, given)
        return given

    def _put_value(
        self,
        words: "array[int]",
        word: int,
        value: Tensor,
        argument: Argument,
        alive: list[Tensor],
    ) -> None:
        if value.dtype != self.dtype:
            value = value.to(self.dtype)
        offset = 0
        if argument.kind == "matrix":
            *block, m, n = value.stride()
            offset = argument.offset[0] * m + argument.offset[1] * n
            words[word + 1 : word + 4] = array("q", (block[0] if block else 0, m, n))
        elif not value.is_contiguous():
            value = value.contiguous()
        if argument.kind == "row":
            words[word + 1] = value.stride(0)
        alive.append(value)
        words[word] = value.data_ptr() + self.size * offset

    def _row(self, value: Tensor, lead: int, alive: list[Tensor]) -> "array[int]":
        """Address and strides of rows in which numbers follow each other; copied where need be.

        Args:
            lead: dimensions before those of a row.
        """
        if value.dtype != self.dtype:
            value = value.to(self.dtype).contiguous()
        elif not _packed(value, lead):
            if any(value.stride()[:lead]):
                value = value.contiguous()
            else:  # such as the gradient of a sum: every row is the same one
                value = value[(0,) * lead].contiguous()
                alive.append(value)
                return array("q", (value.data_ptr(), 0, 0))
        alive.append(value)
        strides = value.stride()
        return array("q", (value.data_ptr(), strides[0], strides[1] if lead == 2 else 0))


def _index(made: Emitted, counts: Counts, *, backward: bool) -> dict[tuple[str, Any], int]:
    """Which tensor of a call is meant, as `fill` counts them."""
    P, X, S, C = counts
    over = dict.fromkeys(each.node for each in made.arguments if each.kind == "over")
    order: list[tuple[str, Any]] = [("parameter", k) for k in range(P)]
    order += [("x", k) for k in range(X)] + [("first", k) for k in range(S)]
    order += [("context", k) for k in range(C)]
    if backward:
        order += [("dy", 0), *(("dlast", k) for k in range(S)), *(("dx", k) for k in range(X))]
        order += [("dfirst", k) for k in range(S)] + [("drow", k) for k in range(C)]
        order += [("over", node) for node in over]
    else:
        order += [("y", 0), *(("last", k) for k in range(S))]
    return {each: number for number, each in enumerate(order)}


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
    if value.ndim == lead + 1:
        return value.stride(lead) == 1 or value.shape[lead] == 1
    step = 1
    for size, stride in zip(
        reversed(value.shape[lead:]), reversed(value.stride()[lead:]), strict=True
    ):
        if size != 1 and stride != step:
            return False
        step *= size
    return True
