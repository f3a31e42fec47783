"""What each operation does to one row: sums along it, and norms made of them."""

from math import prod
from typing import Any

from recurra.engine.columns import Columns
from recurra.engine.graph import Shape
from recurra.engine.meaning import Rule, Translator
from recurra.engine.trace import Record, UnknownOperationError
from recurra.engine.value import (
    MixingError,
    Value,
    axes,
    axis,
    dimension,
    dims_of,
    row_shape,
    static,
)
from recurra.engine.views import reshaped


def reduced(t: Translator, op: str, value: Value, dims: list[int], shape: Any) -> Value:
    """One number for many, along dimensions of the row or over all rows."""
    node, kept = value.node, list(value.shape)
    if value.at in dims:
        if op != "sum" or not node.rows:
            raise MixingError("reduces over the batch")
        node = t.make("total", node, shape=node.shape)
        held = axes(value)
        inner = sorted(k for dim in dims for k in held[dim])
    else:
        inner = sorted(axis(value, dim) for dim in dims)
    inner = [k for k in inner if node.shape[k] != 1]
    if inner:
        small = tuple(1 if k in inner else size for k, size in enumerate(node.shape))
        node = t.make(op, node, options=(tuple(inner),), shape=small)
    for dim in dims:
        kept[dim] = 1
    if value.at in dims:
        return Value(t.view(node, static(shape)), shape)
    return reshaped(
        t,
        Value(t.view(node, row_shape(tuple(kept), value.before)), tuple(kept), value.before),
        shape,
    )


def _reduction(op: str) -> Rule:
    def rule(t: Translator, record: Record) -> list[Value]:
        value = t.value(record.arguments[0])
        dims = dims_of(value, record.option(1, "dim"))
        return [reduced(t, op, value, dims, t.result(record))]

    return rule


def mean(t: Translator, value: Value, dims: list[int], shape: Any) -> Value:
    """The sum over the number of columns."""
    if value.at in dims:
        raise MixingError("averages over the batch")
    count = prod(static(tuple(value.shape[dim] for dim in dims)))
    total = reduced(t, "sum", value, dims, shape)
    return t.pointwise("mul", total, t.value(1.0 / count))


def _mean(t: Translator, record: Record) -> list[Value]:
    value = t.value(record.arguments[0])
    return [mean(t, value, dims_of(value, record.option(1, "dim")), t.result(record))]


def _along(op: str) -> Rule:
    def rule(t: Translator, record: Record) -> list[Value]:
        value = t.value(record.arguments[0])
        given = record.arguments[1]
        dims = [dimension(value, dim) for dim in (given if isinstance(given, list) else [given])]
        node = value.node
        for dim in dims:
            node = t.make(op, node, options=(axis(value, dim),), shape=node.shape)
        return [Value(node, value.shape, value.before)]

    return rule


def _softmax(t: Translator, record: Record) -> list[Value]:
    c, value = Columns(t), t.value(record.arguments[0])
    dim = dimension(value, record.arguments[1])
    e, total, shifted = _exponentials(t, value, dim)
    if record.name.startswith("_log"):
        return [c.sub(shifted, c.log(total))]
    return [c.div(e, total)]


def _exponentials(t: Translator, value: Value, dim: int) -> tuple[Value, Value, Value]:
    if dim == value.at:
        raise MixingError("runs over the batch")
    c = Columns(t)
    shape = (*value.shape[:dim], 1, *value.shape[dim + 1 :])
    shifted = c.sub(value, reduced(t, "amax", value, [dim], shape))
    e = c.exp(shifted)
    return e, reduced(t, "sum", e, [dim], shape), shifted


def _softmax_backward(t: Translator, record: Record) -> list[Value]:
    c = Columns(t)
    g, out = (t.value(each) for each in record.arguments[:2])
    dim = dimension(out, record.arguments[2])
    shape = (*out.shape[:dim], 1, *out.shape[dim + 1 :])
    if record.name.startswith("_log"):
        return [c.sub(g, c.mul(c.exp(out), reduced(t, "sum", g, [dim], shape)))]
    weighted = c.mul(g, out)
    return [c.sub(weighted, c.mul(out, reduced(t, "sum", weighted, [dim], shape)))]


def _normalised(value: Value, count: int) -> tuple[list[int], Any]:
    rank = len(value.shape)
    dims = list(range(rank - count, rank))
    return dims, (*value.shape[: rank - count], *(1,) * count)


def _layer_norm(t: Translator, record: Record) -> list[Value]:
    c, value = Columns(t), t.value(record.arguments[0])
    sizes, weight, bias, eps = record.arguments[1:5]
    dims, shape = _normalised(value, len(sizes))
    centre = mean(t, value, dims, shape)
    off = c.sub(value, centre)
    scale = c.rsqrt(c.add(mean(t, c.mul(off, off), dims, shape), eps))
    out = c.mul(off, scale)
    out = out if weight is None else c.mul(out, t.value(weight))
    out = out if bias is None else c.add(out, t.value(bias))
    return [out, centre, scale]


def _layer_norm_backward(t: Translator, record: Record) -> list[Value]:
    c = Columns(t)
    g, value, sizes, centre, scale, weight, bias, wanted = record.arguments
    g, value, centre, scale = (t.value(each) for each in (g, value, centre, scale))
    dims, shape = _normalised(value, len(sizes))
    normal = c.mul(c.sub(value, centre), scale)
    inner = g if weight is None else c.mul(g, t.value(weight))
    back = c.sub(inner, mean(t, inner, dims, shape))
    back = c.sub(back, c.mul(normal, mean(t, c.mul(inner, normal), dims, shape)))
    made = [c.mul(back, scale)]
    outer = list(range(len(value.shape) - len(sizes)))
    for each, kept, present in ((c.mul(g, normal), weight, wanted[1]), (g, bias, wanted[2])):
        if present and kept is not None:
            made.append(reduced(t, "sum", each, outer, t.value(kept).shape))
    return made[: len(record.results)]


def _batch_norm(t: Translator, record: Record) -> list[Value]:
    c, value = Columns(t), t.value(record.arguments[0])
    weight, bias, centre, variance, training = record.arguments[1:6]
    _refuse_statistics(value, record, training)
    scale = _scale(t, weight, variance, record.arguments[7])
    shift = c.mul(-1.0, c.mul(t.value(centre), scale))
    shift = shift if bias is None else c.add(t.value(bias), shift)
    out = c.add(c.mul(value, _channels(t, scale, value)), _channels(t, shift, value))
    return [out, *(_nothing(t, static(t.result(record, k))) for k in (1, 2))]


def _refuse_statistics(value: Value, record: Record, training: bool) -> None:
    if training and value.at not in (None, 1):
        raise MixingError("averages over the batch, where a norm over features (LayerNorm) fits")
    if training:
        raise UnknownOperationError(f"{record.line}: {record.name}")


def _scale(t: Translator, weight: Any, variance: Any, eps: float) -> Value:
    c = Columns(t)
    scale = c.rsqrt(c.add(t.value(variance), eps))
    return scale if weight is None else c.mul(t.value(weight), scale)


def _channels(t: Translator, value: Value, beside: Value) -> Value:
    """One number a channel, the second dimension."""
    return reshaped(t, value, (*value.shape, *(1,) * (len(beside.shape) - 2)))


def _nothing(t: Translator, shape: Shape) -> Value:
    """What is not there in evaluation."""
    return Value(t.make("expand", t.number(0.0), options=(shape,), shape=shape), shape)


def _batch_norm_backward(t: Translator, record: Record) -> list[Value]:
    c = Columns(t)
    g, value = (t.value(each) for each in record.arguments[:2])
    weight, centre, variance, _, _, training, eps, wanted = record.arguments[2:10]
    _refuse_statistics(value, record, training)
    off = c.sub(value, _channels(t, t.value(centre), value))
    normal = c.mul(off, _channels(t, _scale(t, None, variance, eps), value))
    made = [c.mul(g, _channels(t, _scale(t, weight, variance, eps), value))]
    dims = [k for k in range(len(value.shape)) if k != 1]
    for each, present in ((c.mul(g, normal), wanted[1]), (g, wanted[2])):
        if present:
            made.append(reduced(t, "sum", each, dims, t.result(record, len(made))))
    return made


def _vector_norm(t: Translator, record: Record) -> list[Value]:
    c, value = Columns(t), t.value(record.arguments[0])
    if record.option(1, "ord", 2) != 2:
        raise UnknownOperationError(f"{record.line}: a norm other than 2")
    dims = dims_of(value, record.option(2, "dim"))
    return [c.sqrt(reduced(t, "sum", c.mul(value, value), dims, t.result(record)))]


def _variance(t: Translator, record: Record) -> list[Value]:
    c, value = Columns(t), t.value(record.arguments[0])
    dims = dims_of(value, record.option(1, "dim"))
    if value.at in dims:
        raise MixingError("averages over the batch")
    shape = tuple(1 if k in dims else size for k, size in enumerate(value.shape))
    off = c.sub(value, mean(t, value, dims, shape))
    count = prod(static(tuple(value.shape[dim] for dim in dims)))
    correction = record.named.get("correction", 1)
    total = reduced(t, "sum", c.mul(off, off), dims, t.result(record))
    made = c.mul(total, 1.0 / max(count - (1 if correction is None else correction), 0))
    return [c.sqrt(made) if record.name.startswith("std") else made]


RULES: dict[str, Rule] = {
    "sum": _reduction("sum"),
    "amax": _reduction("amax"),
    "amin": _reduction("amin"),
    "mean": _mean,
    "cumsum": _along("cumsum"),
    "flip": _along("flip"),
    "_softmax": _softmax,
    "_log_softmax": _softmax,
    "_softmax_backward_data": _softmax_backward,
    "_log_softmax_backward_data": _softmax_backward,
    "native_layer_norm": _layer_norm,
    "native_layer_norm_backward": _layer_norm_backward,
    "native_batch_norm": _batch_norm,
    "native_batch_norm_backward": _batch_norm_backward,
    "linalg_vector_norm": _vector_norm,
    "var": _variance,
    "std": _variance,
}
