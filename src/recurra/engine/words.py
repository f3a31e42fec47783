"""Values and operations of a graph as a reader writes them."""

from collections.abc import Iterable
from typing import Any

from recurra.engine.graph import VIEWS, Leaf, Node, Shape
from recurra.engine.plan import Plan

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@"}
INFIX |= {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Words:
    """Writes values: leaves by name, operations by number."""

    def __init__(self, plan: Plan, names: dict[Leaf, str]) -> None:
        self.names = names
        made = [node for node in plan.order if not self.silent(node)]
        self.numbers = {node: k for k, node in enumerate(made, 1)}

    @staticmethod
    def silent(node: Node) -> bool:
        """Whether it is written in place."""
        return node.op in VIEWS or node.op in ("leaf", "literal")

    def value(self, node: Node) -> str:
        """A value where it is read."""
        if node.op == "leaf":
            return self.names.get(node.leaf, f"{node.leaf.kind} {node.leaf.index}")
        if node.op == "literal":
            return f"{node.literal:g}"
        if node.op not in VIEWS:
            return f"%{self.numbers[node]}" if node in self.numbers else node.op
        inner = self.value(node.inputs[0])
        if node.op == "permute":
            return f"{inner}.T" if node.dims == (1, 0) else f"{inner}.permute{node.dims}"
        if node.op == "slice":
            start, stop = node.bounds
            return f"{inner}[{':, ' * node.at}{start}:{stop}]"
        if node.op == "view" and len([size for size in node.shape if size != 1]) > 1:
            return f"{inner}.view{node.shape}"
        return inner

    def line(self, node: Node) -> str:
        """An operation."""
        return f"%{self.numbers[node]} = {self._made(node)} : {size(node.shape)}"

    def _made(self, node: Node) -> str:
        values = [self.value(each) for each in node.inputs]
        if node.op in INFIX:
            return f"{values[0]} {INFIX[node.op]} {values[1]}"
        if node.op == "contract":
            return f"sum of outer({', '.join(values)})"
        if node.op == "total":
            return f"sum of {values[0]}"
        if node.op == "torch":
            call: Any = node.options[0]
            return f"torch {call.operation}({', '.join(values)})"
        return f"{node.op}({', '.join([*values, *self._along(node)])})"

    @staticmethod
    def _along(node: Node) -> list[str]:
        if node.op not in ("sum", "amax", "amin", "cat", "flip", "cumsum"):
            return []
        dims = node.dims if node.op in ("sum", "amax", "amin") else (node.at,)
        last = len(node.inputs[0].shape) - 1
        told = [] if dims == (last,) else [f"along {', '.join(map(str, dims))}"]
        return told + [str(option) for option in node.options[1:]]


def size(shape: Shape) -> str:
    """A row's numbers."""
    return "×".join(map(str, shape)) or "1"


def part(title: str, lines: Iterable[str]) -> str:
    """A paragraph."""
    return "\n".join([title, *(f"    {line}" for line in lines), ""])
