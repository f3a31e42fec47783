"""What each operation does to one row: products of matrices."""

from typing import Any

from recurra.engine.graph import Node, Shape
from recurra.engine.meaning import Rule, Translator
from recurra.engine.trace import Record
from recurra.engine.value import MixingError, Value, row_shape, static
from recurra.engine.views import permuted, permuted_node, reshaped


def product(t: Translator, a: Value, b: Value) -> Value:
    """A matrix product, (N, I, K) by (N, K, J); N may be the batch, or I, or J, or K of both."""
    shape = (a.shape[0], a.shape[1], b.shape[2])
    if a.at is None and b.at is None:
        return Value(t.make("bmm", a.node, b.node, shape=static(shape)), shape)
    if a.at == 0 and b.at == 0 and a.before == b.before:
        return Value(_rowwise(t, a, b, row_shape(shape, a.before)), shape, a.before)
    if a.at == 1 and b.at is None:
        return _by_matrix(t, a, b.node, shape)
    if b.at == 2 and a.at is None:
        flipped = permuted_node(t, a.node, [0, 2, 1])
        turned = _by_matrix(t, permuted(t, b, [0, 2, 1]), flipped, (shape[0], shape[2], shape[1]))
        return permuted(t, turned, [0, 2, 1])
    if a.at == 2 and b.at == 1 and a.before == b.before and (a.node.rows or b.node.rows):
        left, right = _inner(t, permuted(t, a, [0, 2, 1])), _inner(t, b)
        if left.rows and right.rows:
            return Value(t.make("contract", left, right, shape=static(shape)), shape)
        # What is the same in every row leaves the sum over them.
        alone = [
            t.make("total", each, shape=each.shape) if each.rows else each for each in (left, right)
        ]
        flipped = permuted_node(t, alone[0], [0, 2, 1])
        return Value(t.make("bmm", flipped, alone[1], shape=static(shape)), shape)
    raise MixingError("multiplies rows with rows")


def _inner(t: Translator, value: Value) -> Node:
    """(N, B·J, M) as (N, J, M) of one row."""
    n, _, m = value.shape
    return t.view(value.node, (static((n,))[0], value.before * value.after, static((m,))[0]))


def _rowwise(t: Translator, a: Value, b: Value, shape: Shape) -> Node:
    n = a.before * a.after
    if not b.node.rows and b.node.op == "expand":
        w = b.node.inputs[0]
        sizes = tuple(size for size in w.shape if size != 1)
        if sizes == b.shape[1:] and len(sizes) == 2:
            return t.make("matmul", a.node, t.view(w, sizes), shape=shape)
    left = t.view(a.node, (n, *static(a.shape[1:])))
    right = t.view(b.node, (n, *static(b.shape[1:])))
    made = t.make("bmm", left, right, shape=(n, left.shape[1], right.shape[2]))
    return t.view(made, shape)


def _by_matrix(t: Translator, a: Value, w: Node, shape: tuple[Any, ...]) -> Value:
    """Rows (N, B·J, K) by matrices (N, K, M)."""
    n, k, m = static((a.shape[0],))[0], w.shape[1], w.shape[2]
    out = row_shape(shape, a.before)
    if n == 1:
        node = t.view(a.node, a.node.shape[1:])
        made = t.make("matmul", node, t.view(w, (k, m)), shape=(*node.shape[:-1], m))
        return Value(t.view(made, out), shape, a.before)
    inner = a.before * a.after
    made = t.make("heads", t.view(a.node, (n, inner, k)), w, shape=(n, inner, m))
    return Value(t.view(made, out), shape, a.before)


def matmul(t: Translator, a: Value, b: Value, shape: tuple[Any, ...]) -> Value:
    """The product of two matrices of the recording."""
    one = reshaped(t, a, (1, *a.shape))
    two = reshaped(t, b, (1, *b.shape))
    return reshaped(t, product(t, one, two), shape)


def _mm(t: Translator, record: Record) -> list[Value]:
    a, b = (t.value(each) for each in record.arguments[:2])
    return [matmul(t, a, b, t.result(record))]


def _bmm(t: Translator, record: Record) -> list[Value]:
    a, b = (t.value(each) for each in record.arguments[:2])
    return [product(t, a, b)]


def _addmm(t: Translator, record: Record) -> list[Value]:
    bias, a, b = (t.value(each) for each in record.arguments[:3])
    name = record.name.split(".")[0]
    made = product(t, a, b) if name == "baddbmm" else matmul(t, a, b, t.result(record))
    made = _scaled(t, made, record.named.get("alpha", 1))
    return [t.pointwise("add", made, _scaled(t, bias, record.named.get("beta", 1)))]


def _scaled(t: Translator, value: Value, factor: int | float) -> Value:
    return value if factor == 1 else t.pointwise("mul", value, t.value(factor))


def _mv(t: Translator, record: Record) -> list[Value]:
    a, b = (t.value(each) for each in record.arguments[:2])
    column = reshaped(t, b, (*b.shape, 1))
    made = matmul(t, a, column, (a.shape[0], 1))
    return [reshaped(t, made, t.result(record))]


RULES: dict[str, Rule] = {
    "mm": _mm,
    "bmm": _bmm,
    "mv": _mv,
    "addmm": _addmm,
    "baddbmm": _addmm,
}
