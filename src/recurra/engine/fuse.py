"""Operations that are done as one: products that add to a sum, and short chains of columns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from recurra.engine.graph import Node

Absorbs = Callable[[Node], bool]


@dataclass(frozen=True)
class Fused:
    """An operation of the table on other operands than the node's own.

    Args:
        over: the reduction that it does, where that is not the node itself.
        literal: a number that it multiplies by.
    """

    op: str
    operands: tuple[Node, ...]
    absorbed: tuple[Node, ...]
    over: Node | None = None
    literal: float = 0.0


def fuse(nodes: Iterable[Node], lonely: Absorbs) -> dict[Node, Fused]:
    """What each of the nodes can take in.

    Args:
        lonely: whether a value is read once, by a node of the same list, and kept nowhere.
    """
    found: dict[Node, Fused] = {}
    taken: set[Node] = set()
    for node in reversed(list(nodes)):
        rule = RULES.get(node.op)
        if rule is None or node in taken:
            continue

        def free(each: Node, node: Node = node) -> bool:
            same = each.shape == node.shape or node.op == "sum" or not _plain(node)
            return each.rows and same and lonely(each) and each not in taken

        made = rule(node, free)
        if made is not None:
            found[node] = made
            taken.update(made.absorbed)
    return found


def _plain(node: Node) -> bool:
    return not any(each.op == "literal" for each in node.inputs)


def _is(op: str, node: Node, free: Absorbs) -> bool:
    return node.op == op and _plain(node) and free(node)


def _add(node: Node, free: Absorbs) -> Fused | None:
    a, b = node.inputs
    for one, other in ((a, b), (b, a)):
        if _lerp(one, other, free):
            (c, difference) = other.inputs
            return Fused("lerp", (one, difference.inputs[0], c), (other, difference))
    if not _plain(node):
        return None
    if a is not b and _is("mul", a, free) and _is("mul", b, free):
        return Fused("mul_add_mul", (*a.inputs, *b.inputs), (a, b))
    for one, other in ((a, b), (b, a)):
        if _is("mul", one, free):
            inner, factor = one.inputs
            if _is("mul", inner, free):
                return Fused("mul_mul_add", (*inner.inputs, factor, other), (one, inner))
            return Fused("mul_add", (*one.inputs, other), (one,))
    return None


def _mul(node: Node, free: Absorbs) -> Fused | None:
    """(d - a * b) * c, and k times a sum"""
    if not _plain(node):
        return _mean(node, free)
    first, factor = node.inputs
    if not _is("sub", first, free):
        return None
    whole, product = first.inputs
    if not _is("mul", product, free):
        return None
    return Fused("mul_sub_mul", (*product.inputs, factor, whole), (first, product))


def _mean(node: Node, free: Absorbs) -> Fused | None:
    first, number = sorted(node.inputs, key=lambda each: each.op == "literal")
    if first.op != "sum" or first.shape != node.shape or not free(first):
        return None
    made = _sum(first, free) or Fused("sum", first.inputs, ())
    absorbed = (first, *made.absorbed)
    return Fused(f"{made.op}_k", made.operands, absorbed, first, number.literal)


def _lerp(a: Node, product: Node, free: Absorbs) -> bool:
    """a + c * (b - a)"""
    if not _is("mul", product, free):
        return False
    difference = product.inputs[1]
    return _is("sub", difference, free) and difference.inputs[1] is a


def _sub(node: Node, free: Absorbs) -> Fused | None:
    a, b = node.inputs
    if _plain(node) and _is("mul", b, free):
        return Fused("mul_sub", (*b.inputs, a), (b,))
    return None


def _after(inner: str, made: str) -> Callable[[Node, Absorbs], Fused | None]:
    def rule(node: Node, free: Absorbs) -> Fused | None:
        first, *rest = node.inputs
        if _is(inner, first, free):
            return Fused(made, (*first.inputs, *rest), (first,))
        return None

    return rule


def _sum(node: Node, free: Absorbs) -> Fused | None:
    (a,) = node.inputs
    if _is("mul", a, free):
        return Fused("dot", a.inputs, (a,))
    return None


RULES: dict[str, Callable[[Node, Absorbs], Fused | None]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "sum": _sum,
    "sigmoid": _after("add", "add_sigmoid"),
    "tanh": _after("add", "add_tanh"),
    "sigmoid_grad": _after("mul", "mul_sigmoid_grad"),
    "tanh_grad": _after("mul", "mul_tanh_grad"),
}
