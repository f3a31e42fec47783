"""What each operation does to one row: the same numbers seen otherwise, cut out or joined."""

from math import prod
from typing import Any

from recurra.engine.graph import Node
from recurra.engine.meaning import Rule, Translator
from recurra.engine.trace import Batch, Record, UnknownOperationError
from recurra.engine.value import MixingError, Value, axes, axis, dimension, row_shape, static


def same(t: Translator, record: Record) -> list[Value]:
    """Nothing happens to the numbers."""
    return [t.value(record.arguments[0])]


def viewed(t: Translator, record: Record) -> list[Value]:
    """The same numbers in another shape."""
    value, shape = t.value(record.arguments[0]), t.result(record)
    return [reshaped(t, value, shape)]


def reshaped(t: Translator, value: Value, shape: tuple[Any, ...]) -> Value:
    """The value in another shape; the batch keeps its place among the numbers."""
    if value.at is None:
        return Value(t.view(value.node, static(shape)), shape)
    at = next((k for k, size in enumerate(shape) if isinstance(size, Batch)), None)
    outer = prod(static(value.shape[: value.at])) * value.before
    if at is None:
        raise MixingError("joins the batch with something else")
    left = prod(static(shape[:at]))
    if outer % left or shape[at].times % (outer // left):
        raise MixingError("joins the batch with something else")
    before = outer // left
    return Value(t.view(value.node, row_shape(shape, before)), shape, before)


def permuted(t: Translator, value: Value, order: list[int]) -> Value:
    """Dimensions in another order."""
    held = axes(value)
    rows = [k for dim in order for k in held[dim]]
    shape = tuple(value.shape[dim] for dim in order)
    return Value(permuted_node(t, value.node, rows), shape, value.before)


def permuted_node(t: Translator, node: Node, order: list[int]) -> Node:
    """Dimensions of the row in another order."""
    if node.op == "permute":
        return permuted_node(t, node.inputs[0], [node.dims[k] for k in order])
    if node.op == "view" and node.inputs[0].op == "permute" and order[0] == 0:
        (held,) = node.inputs
        if node.shape == (1, *held.shape):
            turned = permuted_node(t, held, [k - 1 for k in order[1:]])
            return t.view(turned, (1, *turned.shape))
    if order == sorted(order):
        return node
    shape = tuple(node.shape[k] for k in order)
    return t.make("permute", node, options=(tuple(order),), shape=shape)


def _permute(t: Translator, record: Record) -> list[Value]:
    value = t.value(record.arguments[0])
    return [permuted(t, value, [dimension(value, dim) for dim in record.arguments[1]])]


def _transpose(t: Translator, record: Record) -> list[Value]:
    value = t.value(record.arguments[0])
    order = list(range(len(value.shape)))
    if len(order) < 2:
        return [value]
    one, two = record.arguments[1:3] if len(record.arguments) > 1 else (0, 1)
    one, two = dimension(value, one), dimension(value, two)
    order[one], order[two] = order[two], order[one]
    return [permuted(t, value, order)]


def expanded(t: Translator, value: Value, shape: tuple[Any, ...]) -> Value:
    """Repeated along dimensions of size 1."""
    at = next((k for k, size in enumerate(shape) if isinstance(size, Batch)), None)
    before = value.before if value.at is not None else 1
    out = row_shape(shape, before)
    node = t.aligned(value, shape, at, before)
    if node.shape != out:
        node = t.make("expand", node, options=(out,), shape=out)
    return Value(node, shape, before)


def _expand(t: Translator, record: Record) -> list[Value]:
    return [expanded(t, t.value(record.arguments[0]), t.result(record))]


def sliced(t: Translator, value: Value, dim: int, start: int, stop: int) -> Value:
    """Some columns along one dimension."""
    size = value.shape[dim]
    if isinstance(size, Batch):
        raise MixingError("takes some of the rows")
    shape = (*value.shape[:dim], stop - start, *value.shape[dim + 1 :])
    if (start, stop) == (0, size):
        return value
    at = axis(value, dim)
    return Value(cut(t, value.node, at, start, stop), shape, value.before)


def cut(t: Translator, node: Node, at: int, start: int, stop: int) -> Node:
    """Some columns of a node."""
    if node.op == "slice" and node.at == at:
        first, _ = node.bounds
        return cut(t, node.inputs[0], at, first + start, first + stop)
    shape = (*node.shape[:at], stop - start, *node.shape[at + 1 :])
    return t.make("slice", node, options=(at, start, stop), shape=shape)


def _bounds(size: int, start: Any, stop: Any) -> tuple[int, int]:
    first, last, _ = slice(start, stop).indices(size)
    return first, max(first, last)


def _slice(t: Translator, record: Record) -> list[Value]:
    value = t.value(record.arguments[0])
    dim = dimension(value, record.option(1, "dim", 0))
    start, stop = record.option(2, "start"), record.option(3, "end")
    if record.option(4, "step", 1) != 1:
        raise UnknownOperationError(f"{record.line}: slice with a step")
    if dim == value.at:
        if start in (None, 0) and (stop is None or stop == value.shape[dim] or _endless(stop)):
            return [value]
        raise MixingError("takes some of the rows")
    return [sliced(t, value, dim, *_bounds(static(value.shape[dim : dim + 1])[0], start, stop))]


def _endless(stop: Any) -> bool:
    return isinstance(stop, int) and stop >= 2**31


def _select(t: Translator, record: Record) -> list[Value]:
    value = t.value(record.arguments[0])
    dim, index = dimension(value, record.arguments[1]), record.arguments[2]
    if dim == value.at:
        raise MixingError("takes one row")
    index %= static(value.shape[dim : dim + 1])[0]
    return [reshaped(t, sliced(t, value, dim, index, index + 1), t.result(record))]


def _split(t: Translator, record: Record) -> list[Value]:
    value = t.value(record.arguments[0])
    dim = dimension(value, record.option(2, "dim", 0))
    if dim == value.at:
        raise MixingError("takes some of the rows")
    parts, start = [], 0
    for which in range(len(record.results)):
        size = static(t.result(record, which)[dim : dim + 1])[0]
        parts.append(sliced(t, value, dim, start, start + size))
        start += size
    return parts


def _unbind(t: Translator, record: Record) -> list[Value]:
    value = t.value(record.arguments[0])
    dim = dimension(value, record.option(1, "dim", 0))
    if dim == value.at:
        raise MixingError("takes the rows apart")
    parts = [sliced(t, value, dim, k, k + 1) for k in range(len(record.results))]
    return [reshaped(t, part, t.result(record, k)) for k, part in enumerate(parts)]


def joined(t: Translator, values: list[Value], dim: int) -> Value:
    """One after another along a dimension."""
    first = values[0]
    if any(isinstance(each.shape[dim], Batch) for each in values):
        raise MixingError("joins rows")
    if len({(each.at, each.before) for each in values}) > 1:
        raise MixingError("joins rows in different order")
    size = sum(static(each.shape[dim : dim + 1])[0] for each in values)
    shape = (*first.shape[:dim], size, *first.shape[dim + 1 :])
    at = axis(first, dim)
    nodes = [each.node for each in values if each.shape[dim] != 0]
    if len(nodes) == 1:
        return Value(nodes[0], shape, first.before)
    node = t.make("cat", *nodes, options=(at,), shape=row_shape(shape, first.before))
    return Value(node, shape, first.before)


def _cat(t: Translator, record: Record) -> list[Value]:
    values = [t.value(each) for each in record.arguments[0]]
    return [joined(t, values, dimension(values[0], record.option(1, "dim", 0)))]


def _stack(t: Translator, record: Record) -> list[Value]:
    values = [t.value(each) for each in record.arguments[0]]
    dim = record.option(1, "dim", 0) % (len(values[0].shape) + 1)
    shapes = [(*each.shape[:dim], 1, *each.shape[dim:]) for each in values]
    parts = [reshaped(t, each, shape) for each, shape in zip(values, shapes, strict=True)]
    return [joined(t, parts, dim)]


def constant(t: Translator, shape: tuple[Any, ...], number: float) -> Value:
    """One number everywhere."""
    out = row_shape(shape)
    node = t.number(number)
    if out:
        node = t.make("expand", node, options=(out,), shape=out)
    return Value(node, shape)


def _constant(number: float) -> Rule:
    def rule(t: Translator, record: Record) -> list[Value]:
        return [constant(t, t.result(record), number)]

    return rule


def _full(t: Translator, record: Record) -> list[Value]:
    name = record.name.split(".")[0]
    place = 2 if name == "new_full" else 0 if name == "scalar_tensor" else 1
    number = record.arguments[place]
    if isinstance(number, Batch):
        raise MixingError("uses the size of the batch as a number")
    if not isinstance(number, int | float):
        return [expanded(t, t.value(number), t.result(record))]
    return [constant(t, t.result(record), float(number))]


def _copy(t: Translator, record: Record) -> list[Value]:
    return [expanded(t, t.value(record.arguments[1]), t.result(record))]


def _padded(
    t: Translator,
    value: Value,
    shape: tuple[Any, ...],
    dim: int,
    start: int,
    number: float = 0.0,
) -> Value:
    """The value with one number around it, such as 0: what the gradient of a slice is."""
    size = static(value.shape[dim : dim + 1])[0]
    whole = static(shape[dim : dim + 1])[0]
    parts = [value]
    for wide, place in ((start, 0), (whole - start - size, 2)):
        edge_shape = (*value.shape[:dim], wide, *value.shape[dim + 1 :])
        out = row_shape(edge_shape, value.before)
        edge = t.make("expand", t.number(number), options=(out,), shape=out)
        parts.insert(place, Value(edge, edge_shape, value.before))
    return joined(t, [each for each in parts if each.shape[dim] != 0], dim)


def _slice_backward(t: Translator, record: Record) -> list[Value]:
    value, shape = t.value(record.arguments[0]), t.result(record)
    dim, start, _, step = record.arguments[2:6]
    dim = dimension(value, dim)
    if step != 1:
        raise UnknownOperationError(f"{record.line}: slice with a step")
    if dim == value.at:
        if value.shape == shape:
            return [value]
        raise MixingError("takes some of the rows")
    start = _bounds(static(shape[dim : dim + 1])[0], start, None)[0]
    return [_padded(t, value, shape, dim, start)]


def _select_backward(t: Translator, record: Record) -> list[Value]:
    value, shape = t.value(record.arguments[0]), t.result(record)
    dim, index = record.arguments[2] % len(shape), record.arguments[3]
    if isinstance(shape[dim], Batch):
        raise MixingError("takes one row")
    wide = reshaped(t, value, (*shape[:dim], 1, *shape[dim + 1 :]))
    return [_padded(t, wide, shape, dim, index % shape[dim])]


def _constant_pad(t: Translator, record: Record) -> list[Value]:
    value, widths = t.value(record.arguments[0]), record.arguments[1]
    number = float(record.option(2, "value", 0.0))
    pairs = zip(widths[::2], widths[1::2], strict=True)
    for dim, (before, after) in zip(reversed(range(len(value.shape))), pairs, strict=False):
        if dim == value.at and (before, after) != (0, 0):
            raise MixingError("adds rows, or takes some of them")
        if dim == value.at:
            continue
        size = static(value.shape[dim : dim + 1])[0]
        value = sliced(t, value, dim, max(-before, 0), size - max(-after, 0))
        whole = (*value.shape[:dim], size + before + after, *value.shape[dim + 1 :])
        if whole != value.shape:
            value = _padded(t, value, whole, dim, max(before, 0), number)
    return [value]


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ["detach", "alias", "clone", "contiguous", "lift_fresh", "lift", "positive"], same
    ),
    **dict.fromkeys(["view", "_unsafe_view", "reshape", "_reshape_alias"], viewed),
    **dict.fromkeys(["unsqueeze", "squeeze", "flatten"], viewed),
    "permute": _permute,
    "t": _transpose,
    "transpose": _transpose,
    "expand": _expand,
    "slice": _slice,
    "select": _select,
    "split": _split,
    "split_with_sizes": _split,
    "unbind": _unbind,
    "cat": _cat,
    "stack": _stack,
    "slice_backward": _slice_backward,
    "select_backward": _select_backward,
    "constant_pad_nd": _constant_pad,
    **dict.fromkeys(["zeros", "zeros_like", "new_zeros", "zero"], _constant(0.0)),
    **dict.fromkeys(["empty", "empty_like", "new_empty"], _constant(0.0)),
    **dict.fromkeys(["ones", "ones_like", "new_ones"], _constant(1.0)),
    **dict.fromkeys(["full", "full_like", "new_full", "fill", "scalar_tensor"], _full),
    "copy": _copy,
}
