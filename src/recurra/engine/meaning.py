"""From recorded operations to the graph of one row.

Two recordings on different batches tell which sizes belong to the batch. Then one rule per
operation says what it does to a row, and so proves that no row looks at another; what no rule
allows is refused by name and line. The single place where rows may meet is the gradient of what
all rows share, which is a sum over them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from recurra.engine.agree import AGAIN, merge, merge_shapes
from recurra.engine.graph import OVER_ROWS, Graph, Leaf, Node, Shape
from recurra.engine.trace import Batch, Record, Recording, Ref, UnknownOperationError
from recurra.engine.value import MixingError, Size, Value, row_shape, static
from recurra.errors import StepError


@dataclass
class Step:
    """The graph of a step and of its gradient.

    Args:
        outputs: y, state, and dparameter, dx, dstate, dcontext where there is a gradient.
    """

    graph: Graph
    outputs: dict[str, list[Node | None]]


class Translator:
    """Holds the values while the rules are applied.

    Args:
        rules: by the operation's name without its overload.
        small, large: the same step on batches of `BATCHES`.
        dtype: of the state, in torch's words; only bool turns into it and back.
    """

    def __init__(
        self, rules: "dict[str, Rule]", small: Recording, large: Recording, dtype: str
    ) -> None:
        self.rules = rules
        self.dtype = dtype
        self.graph = Graph()
        self.summed: set[Node] = set()  # what depends on a sum over rows
        self.shapes = merge_shapes(small, large)
        self.values: dict[int, Value] = {}
        self.small, self.large = small, large
        self.line = ""

    def translate(self) -> Step:
        """Apply the rule of each operation in turn."""
        for kind, numbers in self.small.leaves.items():
            for index, number in enumerate(numbers):
                self.values[number] = self._leaf(kind, index, number)
        for mine, other in zip(self.small.records, self.large.records, strict=True):
            self._apply(merge(mine, other))
        outputs: dict[str, list[Node | None]] = {}
        for kind, found in self.small.outputs.items():
            outputs[kind] = [None if k is None else self._output(kind, k) for k in found]
        return Step(self.graph, outputs)

    def _leaf(self, kind: str, index: int, number: int) -> Value:
        shape = self.shapes[number]
        rows = any(isinstance(size, Batch) for size in shape)
        options = (Leaf(kind, index),)
        return Value(self.graph.add("leaf", (), options, shape=row_shape(shape), rows=rows), shape)

    def _output(self, kind: str, number: int) -> Node:
        value = self.value(Ref(number))
        per_row = kind in ("y", "state", "dx", "dstate", "dcontext")
        if not per_row:
            return value.node
        if value.at != 0 or value.before != 1:
            raise StepError(
                f"{self.line}: {kind} has the batch in another dimension than the first"
            )
        node = value.node
        if not node.rows:
            node = self.graph.add("expand", (node,), (node.shape,), shape=node.shape, rows=True)
        return node

    def _apply(self, record: Record) -> None:
        self.line = record.line
        name = record.name.split(".")[0]
        in_place = name.endswith("_") and not name.endswith("__")
        name = name.removesuffix("_") if in_place else name
        rule = self.rules.get(name)
        if rule is None or self._plain(record):
            rule = _torch
        try:
            made = rule(self, record)
        except MixingError as error:
            text = f"{record.line}: {name} {error}"
            raise StepError(f"{text}; a step must treat every row of the batch alone") from None
        for number, value in zip(record.results, made, strict=True):
            self.values[number] = Value(value.node, self.shapes[number], value.before)
            self._check(self.values[number], record)

    def _plain(self, record: Record) -> bool:
        """Whether nothing of the batch goes in, so that torch may do it as it is."""
        refs = _refs([record.arguments, list(record.named.values())])
        none = all(
            self.values[each.number].at is None for each in refs if each.number in self.values
        )
        return bool(refs) and none and record.name.split(".")[0] not in self.rules

    def _check(self, value: Value, record: Record) -> None:
        if sum(isinstance(size, Batch) for size in value.shape) > 1:
            raise StepError(f"{record.line}: {record.name} pairs every row with every row")
        if value.node.shape != row_shape(value.shape, value.before):
            raise UnknownOperationError(f"{record.line}: {record.name} on {value.shape}")

    def result(self, record: Record, which: int = 0) -> tuple[Any, ...]:
        """The shape that the recording saw."""
        return self.shapes[record.results[which]]

    def value(self, argument: Any) -> Value:
        """The value of an argument; a number is a literal."""
        if isinstance(argument, Ref):
            if argument.number in self.small.numbers:
                return Value(self._number(argument.number), ())
            return self.values[argument.number]
        if isinstance(argument, Batch):
            raise MixingError("uses the size of the batch as a number")
        return Value(self.number(argument), ())

    def _number(self, number: int) -> Node:
        """A number that came as a tensor."""
        mine, other = self.small.numbers[number], self.large.numbers.get(number)
        if mine != other and mine == mine:
            raise StepError(f"{self.line}: the step uses {mine}; {AGAIN}, {other}")
        return self.number(mine)

    def make(self, op: str, *inputs: Node, options: tuple[Any, ...] = (), shape: Shape) -> Node:
        """A node said by the line at work."""
        rows = False if op in OVER_ROWS else None
        node = self.graph.add(op, inputs, options, shape=shape, rows=rows, line=self.line)
        if op in OVER_ROWS or any(each in self.summed for each in inputs):
            if node.rows:
                raise MixingError("gives a sum over rows back to every row")
            self.summed.add(node)
        return node

    def view(self, node: Node, shape: Shape) -> Node:
        """The same numbers in another shape."""
        if node.shape == shape:
            return node
        if node.op == "view":
            return self.view(node.inputs[0], shape)
        return self.make("view", node, options=(shape,), shape=shape)

    def number(self, value: float) -> Node:
        """A literal."""
        return self.graph.add("literal", (), (float(value),), shape=(), rows=False)

    def pointwise(self, op: str, *values: Value) -> Value:
        """An operation column by column, with broadcasting."""
        shape = _broadcast([each.shape for each in values])
        at = next((k for k, size in enumerate(shape) if isinstance(size, Batch)), None)
        before = 1
        if at is not None:
            held = {each.before for each in values if each.at is not None}
            if len(held) > 1:
                raise MixingError("meets rows in different order")
            before = held.pop()
        out = row_shape(shape, before)
        operands = [self.aligned(each, shape, at, before) for each in values]
        return Value(self.make(op, *operands, shape=out), shape, before)

    def aligned(self, value: Value, shape: tuple[Size, ...], at: int | None, before: int) -> Node:
        """The node with ones put in, so that its dimensions stand below those of the result."""
        if value.node.op == "literal":
            return value.node
        if value.node.op == "expand" and value.node.inputs[0].op == "literal":
            return value.node.inputs[0]
        sizes: list[int] = []
        padded = (1,) * (len(shape) - len(value.shape)) + value.shape
        for k, size in enumerate(padded):
            if k != at:
                if isinstance(size, Batch):
                    raise MixingError("meets the batch in another dimension")
                sizes.append(size)
                continue
            whole = shape[k]
            times = whole.times if isinstance(whole, Batch) else 1
            parts = (before, times // before)
            mine = parts if isinstance(size, Batch) else (1, 1)
            sizes += [one for one, full in zip(mine, parts, strict=True) if full != 1]
        return self.view(value.node, tuple(sizes))


Rule: TypeAlias = Callable[[Translator, Record], list[Value]]


def _refs(argument: Any) -> list[Ref]:
    if isinstance(argument, list):
        return [each for part in argument for each in _refs(part)]
    return [argument] if isinstance(argument, Ref) else []


@dataclass(frozen=True)
class Call:
    """One of torch's operations on what no row has of its own; a Ref counts the node's inputs."""

    operation: Any
    arguments: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]
    result: int


def _torch(t: Translator, record: Record) -> list[Value]:
    refs = _refs([record.arguments, list(record.named.values())])
    values = [t.value(each) for each in refs]
    shapes = [t.shapes[number] for number in record.results]
    if any(isinstance(size, Batch) for each in values for size in each.shape) or any(
        isinstance(size, Batch) for shape in shapes for size in shape
    ):
        raise UnknownOperationError(f"{record.line}: {record.name}")
    counts = {each: Ref(k) for k, each in enumerate(refs)}

    def counted(argument: Any) -> Any:
        if isinstance(argument, list):
            return tuple(counted(each) for each in argument)
        return counts[argument] if isinstance(argument, Ref) else argument

    arguments = tuple(counted(each) for each in record.arguments)
    named = tuple((key, counted(value)) for key, value in record.named.items())
    made = []
    for k, shape in enumerate(shapes):
        call = Call(record.call, arguments, named, k)
        nodes = [each.node for each in values]
        made.append(Value(t.make("torch", *nodes, options=(call,), shape=static(shape)), shape))
    return made


def _broadcast(shapes: list[tuple[Size, ...]]) -> tuple[Size, ...]:
    rank = max(len(shape) for shape in shapes)
    out: list[Size] = []
    for k in range(-rank, 0):
        sizes = {shape[k] for shape in shapes if len(shape) >= -k} - {1}
        if len(sizes) > 1:
            raise MixingError(f"meets sizes {sorted(map(str, sizes))}")
        out.append(sizes.pop() if sizes else 1)
    return tuple(out)
