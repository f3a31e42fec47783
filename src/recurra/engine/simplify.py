"""The same step in fewer and better placed operations.

Sums are regrouped so that what the state does not touch is added first; a product of joined inputs
becomes a sum of products; the gradients of slices become one join.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from recurra.engine.graph import Graph, Node, ancestors, show
from recurra.engine.meaning import Step

LEVELS = {"parameter": 0, "context": 1, "x": 2, "state": 3, "dy": 4, "dstate": 5}


def simplify(step: Step) -> Step:
    """Rewrite until nothing changes."""
    for _ in range(8):
        before = show(_targets(step))
        step = Rewriter(step).rewrite()
        if show(_targets(step)) == before:
            break
    return step


def _targets(step: Step) -> list[Node]:
    return [node for nodes in step.outputs.values() for node in nodes if node is not None]


class Rewriter:
    """One pass over the graph, inputs first."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.order = ancestors(_targets(step))
        self.uses = Counter(each for node in self.order for each in node.inputs)
        self.uses.update(_targets(step))
        self.users: dict[Node, list[Node]] = {}
        for node in self.order:
            for each in node.inputs:
                self.users.setdefault(each, []).append(node)
        self.levels: dict[Node, int] = {}
        self.graph = Graph()
        self.new: dict[Node, Node] = {}

    def rewrite(self) -> Step:
        """The graph anew."""
        for node in self.order:
            made = self._node(node)
            self.new[node] = made
        outputs: dict[str, list[Node | None]] = {
            kind: [None if node is None else self.new[node] for node in nodes]
            for kind, nodes in self.step.outputs.items()
        }
        return Step(self.graph, outputs)

    def level(self, node: Node) -> int:
        """How late a value is known: a new node's."""
        if node not in self.levels:
            if node.op == "leaf":
                self.levels[node] = LEVELS[node.leaf.kind]
            else:
                self.levels[node] = max((self.level(each) for each in node.inputs), default=0)
        return self.levels[node]

    def make(self, op: str, like: Node, *inputs: Node, shape: Any, options: Any = ()) -> Node:
        """A new node in the place of an old one."""
        rows = False if op in ("contract", "total") else None
        return self.graph.add(op, inputs, options, shape=shape, rows=rows, line=like.line)

    def _node(self, node: Node) -> Node:
        rule = RULES.get(node.op)
        made = None if rule is None else rule(self, node)
        if made is not None:
            return made
        inputs = tuple(self.new[each] for each in node.inputs)
        return self.graph.add(
            node.op, inputs, node.options, shape=node.shape, rows=node.rows, line=node.line
        )


def _terms(r: Rewriter, node: Node) -> list[Node]:
    """What is added up, through additions of the same shape that nobody else reads."""
    found = []
    for each in node.inputs:
        inner = each.op == "add" and r.uses[each] == 1 and each.shape == node.shape
        found += _terms(r, each) if inner else [each]
    return found


def _add(r: Rewriter, node: Node) -> Node | None:
    users = r.users.get(node, [])
    if r.uses[node] == 1 and users and users[0].op == "add" and users[0].shape == node.shape:
        return None  # the sum that it is part of is regrouped as one
    terms = [r.new[each] for each in _terms(r, node)]
    terms = _drop_zeros(terms, node)
    terms = _join_pads(r, node, terms)
    if any(LEVELS["dy"] <= r.level(each) for each in terms):
        levels = [0] * len(terms)
    else:
        levels = [r.level(each) for each in terms]
    ordered = [each for _, each in sorted(zip(levels, terms, strict=True), key=lambda p: p[0])]
    made = ordered[0]
    for each in ordered[1:]:
        shape = tuple(max(a, b) for a, b in zip(*_ranked(made, each), strict=True))
        made = r.make("add", node, made, each, shape=shape)
    if made.shape != node.shape or made.rows != node.rows:
        made = r.graph.add("expand", (made,), (node.shape,), shape=node.shape, rows=node.rows)
    return made


def _ranked(a: Node, b: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = max(len(a.shape), len(b.shape))
    one, two = ((1,) * (rank - len(each.shape)) + each.shape for each in (a, b))
    return one, two


def _drop_zeros(terms: list[Node], node: Node) -> list[Node]:
    kept = [each for each in terms if not each.is_zero]
    fits = any(each.shape == node.shape and each.rows == node.rows for each in kept)
    return kept if fits else terms


def _pad_of(node: Node) -> tuple[int, int, Node] | None:
    """The dimension, the place and the value of a cat with zeros around one part."""
    if node.op != "cat":
        return None
    at = node.at
    full = [each for each in node.inputs if not each.is_zero]
    if len(full) != 1:
        return None
    start = 0
    for each in node.inputs:
        if each is full[0]:
            break
        start += each.shape[at]
    return at, start, full[0]


def _join_pads(r: Rewriter, node: Node, terms: list[Node]) -> list[Node]:
    pads = [(each, _pad_of(each)) for each in terms]
    found = [(each, pad) for each, pad in pads if pad is not None]
    if len(found) < 2:
        return terms
    dims = {pad[0] for _, pad in found}
    if len(dims) > 1:
        return terms
    at = dims.pop()
    ordered = sorted(((pad[1], pad[2]) for _, pad in found), key=lambda pair: pair[0])
    parts: list[Node] = []
    place = 0
    for start, value in ordered:
        if start < place:
            return terms
        if start > place:
            parts.append(_zeros(r, node, at, start - place))
        parts.append(value)
        place = start + value.shape[at]
    if place < node.shape[at]:
        parts.append(_zeros(r, node, at, node.shape[at] - place))
    joined = r.make("cat", node, *parts, shape=node.shape, options=(at,))
    rest = [each for each, pad in pads if pad is None]
    return [*rest, joined]


def _zeros(r: Rewriter, node: Node, at: int, size: int) -> Node:
    shape = (*node.shape[:at], size, *node.shape[at + 1 :])
    zero = r.graph.add("literal", (), (0.0,), shape=(), rows=False)
    return r.make("expand", node, zero, shape=shape, options=(shape,))


def _mul(r: Rewriter, node: Node) -> Node | None:
    a, b = (r.new[each] for each in node.inputs)
    for one, other in ((a, b), (b, a)):
        plain = other.shape == node.shape and other.rows == node.rows
        if one.op == "literal" and one.literal == 1.0 and plain:
            return other
    return None


def _matmul(r: Rewriter, node: Node) -> Node | None:
    """cat(a, b) @ W as a @ W[:k] + b @ W[k:], where a is known before b."""
    a, w = (r.new[each] for each in node.inputs)
    if a.op != "cat" or a.options[0] != len(a.shape) - 1:
        return None
    if len({r.level(each) for each in a.inputs}) < 2 or r.level(a) >= LEVELS["dy"]:
        return None
    made, start = None, 0
    for part in a.inputs:
        k = part.shape[-1]
        rows = r.make("slice", node, w, shape=(k, w.shape[1]), options=(0, start, start + k))
        start += k
        term = r.make("matmul", node, part, rows, shape=node.shape)
        made = term if made is None else r.make("add", node, made, term, shape=node.shape)
    return made


def _slice(r: Rewriter, node: Node) -> Node | None:
    """Columns of a product as the product with columns; a slice of a cat's part."""
    (source,) = (r.new[each] for each in node.inputs)
    at, (start, stop) = node.at, node.bounds
    last = len(source.shape) - 1
    if source.op == "cat" and source.options[0] == at:
        place = 0
        for part in source.inputs:
            end = place + part.shape[at]
            if place <= start and stop <= end:
                if (start, stop) == (place, end):
                    return part
                options = (at, start - place, stop - place)
                return r.make("slice", node, part, shape=node.shape, options=options)
            place = end
        return None
    only = all(each.op == "slice" for each in r.users[node.inputs[0]])
    if source.op == "matmul" and at == last and only and r.level(source) >= LEVELS["dy"]:
        a, w = source.inputs
        columns = r.make(
            "slice", node, w, shape=(w.shape[0], stop - start), options=(1, start, stop)
        )
        return r.make("matmul", node, a, columns, shape=node.shape)
    return None


def _contract(r: Rewriter, node: Node) -> Node | None:
    """Sums over rows of joined columns as the joined sums."""
    a, b = (r.new[each] for each in node.inputs)
    for which, joined in ((1, a), (2, b)):
        inner = joined.inputs[0] if joined.op == "view" else joined
        if inner.op != "cat" or inner.options[0] != len(inner.shape) - 1:
            continue
        if len({r.level(each) for each in inner.inputs}) < 2 or joined.shape[:2] != (1, 1):
            continue
        parts = []
        for part in inner.inputs:
            wide = (1, 1, part.width)
            flat = (
                part
                if part.shape == wide
                else r.make("view", node, part, shape=wide, options=(wide,))
            )
            pair = (flat, b) if which == 1 else (a, flat)
            shape = (1, pair[0].shape[2], pair[1].shape[2])
            parts.append(r.make("contract", node, *pair, shape=shape))
        return r.make("cat", node, *parts, shape=node.shape, options=(which,))
    return None


def _flip(r: Rewriter, node: Node) -> Node | None:
    """A running sum between two flips as one from the other end."""
    inner = node.inputs[0]
    at = node.options[0]
    if inner.op != "cumsum" or inner.options != (at,) or inner.inputs[0].op != "flip":
        return None
    first = inner.inputs[0]
    if first.options[0] != at:
        return None
    source = r.new[first.inputs[0]]
    return r.make("cumsum", node, source, shape=node.shape, options=(at, "from the end"))


Rule = Callable[[Rewriter, Node], Node | None]
RULES: dict[str, Rule] = {
    "add": _add,
    "mul": _mul,
    "matmul": _matmul,
    "slice": _slice,
    "contract": _contract,
    "flip": _flip,
}
