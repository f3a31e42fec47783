"""One step as a graph, with the batch taken away.

A node's shape is that of one row: the batch is not a dimension but the fact that every row has a
value of its own (`rows`). A node without rows is the same for the whole batch: a parameter, a
number, or a sum over all rows.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

Shape: TypeAlias = tuple[int, ...]

UNARY = frozenset(
    [
        "neg",
        "abs",
        "sign",
        "exp",
        "expm1",
        "log",
        "log1p",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "sin",
        "cos",
        "erf",
        "floor",
        "relu",
        "sigmoid",
        "tanh",
    ]
)
BINARY = frozenset(
    [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "min",
        "max",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "sigmoid_grad",
        "tanh_grad",
    ]
)
POINTWISE = UNARY | BINARY | {"where"}
VIEWS = frozenset({"view", "permute", "slice", "expand"})
PRODUCTS = frozenset({"matmul", "heads", "bmm"})
REDUCTIONS = frozenset({"sum", "amax", "amin"})
OVER_ROWS = frozenset({"contract", "total"})  # these add up all rows; their result has none
DEAR = (
    PRODUCTS
    | REDUCTIONS
    | {"cumsum"}
    | {
        "exp",
        "expm1",
        "log",
        "log1p",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "sin",
        "cos",
        "erf",
        "sigmoid",
        "tanh",
        "div",
        "pow",
    }
)


@dataclass(frozen=True)
class Leaf:
    """What comes from outside: its kind, and which of them."""

    kind: str  # parameter, context, x, state, dy, dstate
    index: int


@dataclass(eq=False)
class Node:
    """One value of the step.

    Args:
        op: a name of the sets above, or leaf, literal, cat, flip, cumsum.
        options: what is known beforehand: dimensions, sizes, the number of a literal.
        shape: of one row.
        rows: whether every row has its own.
        line: where the step says so, for messages.
    """

    op: str
    inputs: tuple["Node", ...]
    options: tuple[object, ...]
    shape: Shape
    rows: bool
    line: str = ""
    number: int = -1

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return prod(self.shape)

    @property
    def leaf(self) -> Leaf:
        """What a leaf stands for."""
        leaf = self.options[0]
        if not isinstance(leaf, Leaf):
            raise TypeError(f"{self.op} is no leaf")
        return leaf

    @property
    def literal(self) -> float:
        """The number that a literal stands for."""
        number = self.options[0]
        if not isinstance(number, float):
            raise TypeError(f"{self.op} is no literal")
        return number

    @property
    def is_zero(self) -> bool:
        """Whether it is zero everywhere, and known to be beforehand."""
        if self.op == "expand":
            return self.inputs[0].is_zero
        return self.op == "literal" and self.literal == 0.0

    @property
    def at(self) -> int:
        """The dimension along which a slice, a join, a flip or a running sum works."""
        return _whole(self.options[0])

    @property
    def bounds(self) -> tuple[int, int]:
        """Where a slice begins and ends."""
        return _whole(self.options[1]), _whole(self.options[2])

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions that a reduction takes away, or their new order in a permute."""
        listed = self.options[0]
        if not isinstance(listed, tuple):
            raise TypeError(f"{self.op} has no dimensions")
        return tuple(map(_whole, listed))

    def __repr__(self) -> str:
        arguments = [f"%{node.number}" for node in self.inputs]
        arguments += [str(option) for option in self.options]
        size = "×".join(map(str, self.shape)) or "1"
        name = f"{self.leaf.kind}[{self.leaf.index}]" if self.op == "leaf" else self.op
        inner = "" if self.op == "leaf" else f"({', '.join(arguments)})"
        return f"%{self.number} = {name}{inner} : {'B×' if self.rows else ''}{size}"


def _whole(option: object) -> int:
    if not isinstance(option, int):
        raise TypeError(f"{option} is no whole number")
    return option


@dataclass
class Graph:
    """Nodes, each made once: equal operations on equal inputs are one node."""

    made: dict[tuple[object, ...], Node] = field(default_factory=dict)

    def add(
        self,
        op: str,
        inputs: Sequence[Node] = (),
        options: tuple[object, ...] = (),
        *,
        shape: Shape,
        rows: bool | None = None,
        line: str = "",
    ) -> Node:
        """The node for this operation."""
        rows = any(node.rows for node in inputs) if rows is None else rows
        key = (op, tuple(map(id, inputs)), options, shape, rows)
        if key not in self.made:
            node = Node(op, tuple(inputs), options, shape, rows, line)
            node.number = len(self.made)
            self.made[key] = node
        return self.made[key]


def ancestors(targets: Iterable[Node], known: Container[Node] = frozenset()) -> list[Node]:
    """The targets and all that they need beyond what is known, inputs before users."""
    order: dict[Node, None] = {}
    pending = [(node, False) for node in reversed(list(targets))]
    while pending:
        node, ready = pending.pop()
        if node in order or node in known:
            continue
        if ready:
            order[node] = None
            continue
        pending.append((node, True))
        pending.extend((each, False) for each in reversed(node.inputs) if each not in order)
    return list(order)


def show(targets: Iterable[Node]) -> str:
    """One line a node, numbered from 0."""
    order = ancestors(targets)
    for number, node in enumerate(order):
        node.number = number
    return "\n".join(map(repr, order))
