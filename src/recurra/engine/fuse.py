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
            return _gated_lerp(one, other, free)
    if not _plain(node):
        return None
    if a is not b and _is("mul", a, free) and _is("mul", b, free):
        return _gated_sum(a, b, free) or _gated_sum(b, a, free) or _products(a, b)
    for one, other in ((a, b), (b, a)):
        if _is("mul", one, free):
            inner, factor = one.inputs
            if _is("mul", inner, free):
                return Fused("mul_mul_add", (*inner.inputs, factor, other), (one, inner))
            return Fused("mul_add", (*one.inputs, other), (one,))
    return None


def _products(a: Node, b: Node) -> Fused:
    return Fused("mul_add_mul", (*a.inputs, *b.inputs), (a, b))


def _gated(product: Node, free: Absorbs) -> tuple[Node, Node] | None:
    """The gate of a product, a sigmoid, and what it lets through."""
    one, other = product.inputs
    for gate, rest in ((one, other), (other, one)):
        if _is("sigmoid", gate, free):
            return gate, rest
    return None


def _gated_sum(a: Node, b: Node, free: Absorbs) -> Fused | None:
    """The gate of what was and the gate of what is new, where that is a tanh."""
    old, new = _gated(a, free), _gated(b, free)
    if old is None or new is None or not _is("tanh", new[1], free):
        return None
    operands = (*old[0].inputs, old[1], *new[0].inputs, *new[1].inputs)
    return Fused("gated_sum", operands, (a, b, old[0], *new))


def _gated_lerp(one: Node, product: Node, free: Absorbs) -> Fused:
    c, difference = product.inputs
    ends, absorbed = (one, difference.inputs[0]), (product, difference)
    if _is("sigmoid", c, free) and _is("add", c.inputs[0], free):
        return Fused("gated_lerp", (*ends, *c.inputs[0].inputs), (*absorbed, c, c.inputs[0]))
    return Fused("lerp", (*ends, c), absorbed)


def _gated_tanh(node: Node, free: Absorbs) -> Fused | None:
    found = _gated(node, free)
    if found is None or not _is("tanh", found[1], free):
        return None
    gate, inner = found
    return Fused("gated_tanh", (*gate.inputs, *inner.inputs), found)


def _tanh(node: Node, free: Absorbs) -> Fused | None:
    """Of a sum, of which a part may pass a gate."""
    (whole,) = node.inputs
    if not _is("add", whole, free):
        return None
    a, b = whole.inputs
    for product, rest in ((a, b), (b, a)):
        found = _gated(product, free) if _is("mul", product, free) else None
        if found is not None and _is("add", found[0].inputs[0], free):
            gate, inner = found
            absorbed = (whole, product, gate, gate.inputs[0])
            return Fused("gated_add_tanh", (*gate.inputs[0].inputs, inner, rest), absorbed)
    return Fused("add_tanh", whole.inputs, (whole,))


def _mul(node: Node, free: Absorbs) -> Fused | None:
    """(d - a * b) * c, a gate of a tanh, and k times a sum"""
    if not _plain(node):
        return _mean(node, free)
    gated = _gated_tanh(node, free)
    if gated is not None:
        return gated
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
    "tanh": _tanh,
    "sigmoid_grad": _after("mul", "mul_sigmoid_grad"),
    "tanh_grad": _after("mul", "mul_tanh_grad"),
}
