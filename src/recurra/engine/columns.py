"""What each operation does to one row: arithmetic column by column."""

from collections.abc import Callable
from math import sqrt
from typing import Any

from recurra.engine.meaning import Rule, Translator
from recurra.engine.trace import Batch, Record, UnknownOperationError
from recurra.engine.value import MixingError, Value
from recurra.engine.views import constant

Formula = Callable[..., Value]

RANDOM = frozenset(
    [
        "bernoulli",
        "rand",
        "randn",
        "randint",
        "rand_like",
        "randn_like",
        "normal",
        "uniform",
        "native_dropout",
        "multinomial",
        "randperm",
        "exponential",
        "log_normal",
    ]
)


class Columns:
    """Arithmetic on values, so that a formula reads like one."""

    def __init__(self, t: Translator) -> None:
        self.t = t

    def __getattr__(self, op: str) -> Formula:
        return lambda *values: self.t.pointwise(op, *(self.value(each) for each in values))

    def value(self, given: Value | int | float) -> Value:
        """A number as a value."""
        return given if isinstance(given, Value) else self.t.value(given)


def _plain(op: str) -> Rule:
    def rule(t: Translator, record: Record) -> list[Value]:
        return [t.pointwise(op, *(t.value(each) for each in record.arguments))]

    return rule


def _formula(formula: Formula, *defaults: Any) -> Rule:
    """A rule from `formula(columns, value, ..., number, ...)`.

    Args:
        defaults: of the arguments after the first, where the call may leave them out.
    """

    def rule(t: Translator, record: Record) -> list[Value]:
        given = [*record.arguments, *defaults[len(record.arguments) - 1 :]]
        values = [t.value(each) if _holds(each) else each for each in given]
        return [formula(Columns(t), *values)]

    return rule


def _holds(argument: Any) -> bool:
    return not isinstance(argument, int | float | str | list | None | bool)


def _sum(op: str, turned: bool = False) -> Rule:
    def rule(t: Translator, record: Record) -> list[Value]:
        a, b = (t.value(each) for each in record.arguments[:2])
        a, b = (b, a) if turned else (a, b)
        factor = record.option(2, "alpha", 1)
        if factor != 1:
            scaled = t.pointwise("mul", a if turned else b, t.value(factor))
            a, b = (scaled, b) if turned else (a, scaled)
        return [t.pointwise(op, a, b)]

    return rule


def _div(t: Translator, record: Record) -> list[Value]:
    if record.named.get("rounding_mode") is not None:
        raise UnknownOperationError(f"{record.line}: division with rounding")
    a, b = (t.value(each) for each in record.arguments[:2])
    if b.node.op == "literal" and b.node.literal != 0:
        return [t.pointwise("mul", a, t.value(1.0 / b.node.literal))]
    return [t.pointwise("div", a, b)]


def _pow(t: Translator, record: Record) -> list[Value]:
    a, b = (t.value(each) for each in record.arguments[:2])
    c = Columns(t)
    if b.node.op != "literal":
        return [c.pow(a, b)]
    short: dict[float, Callable[[], Value]] = {
        1.0: lambda: a,
        2.0: lambda: c.mul(a, a),
        3.0: lambda: c.mul(c.mul(a, a), a),
        0.5: lambda: c.sqrt(a),
        -0.5: lambda: c.rsqrt(a),
        -1.0: lambda: c.reciprocal(a),
    }
    return [short.get(b.node.literal, lambda: c.pow(a, b))()]


def _clamp(t: Translator, record: Record) -> list[Value]:
    c, made = Columns(t), t.value(record.arguments[0])
    low, high = record.option(1, "min"), record.option(2, "max")
    made = made if low is None else c.max(made, t.value(low))
    return [made if high is None else c.min(made, t.value(high))]


def _to_copy(t: Translator, record: Record) -> list[Value]:
    kind = str(record.named.get("dtype"))
    value = t.value(record.arguments[0])
    if kind in ("None", t.dtype):
        return [value]
    if kind == "torch.bool":
        return [t.pointwise("ne", value, t.value(0.0))]
    raise UnknownOperationError(f"{record.line}: a change of type to {kind}")


def _addcmul(t: Translator, record: Record) -> list[Value]:
    """a + value * b * c, or with a division."""
    c = Columns(t)
    a, b, d = (t.value(each) for each in record.arguments[:3])
    inner = c.mul(b, d) if record.name.startswith("addcmul") else c.div(b, d)
    factor = record.named.get("value", 1)
    if isinstance(factor, Batch):
        raise MixingError("uses the size of the batch as a number")
    return [c.add(a, inner if factor == 1 else c.mul(inner, factor))]


def _log_sigmoid(t: Translator, record: Record) -> list[Value]:
    c, value = Columns(t), t.value(record.arguments[0])
    out = c.sub(c.min(value, 0.0), c.log1p(c.exp(c.neg(c.abs(value)))))
    return [out, constant(t, t.result(record, 1), 0.0)]


def _softplus(c: Columns, a: Value, beta: int | float, threshold: int | float) -> Value:
    scaled = c.mul(a, beta)
    soft = c.mul(c.add(c.max(scaled, 0.0), c.log1p(c.exp(c.neg(c.abs(scaled))))), 1.0 / beta)
    return c.where(c.gt(scaled, threshold), a, soft)


def _softplus_backward(
    c: Columns, g: Value, a: Value, beta: int | float, threshold: int | float
) -> Value:
    scaled = c.mul(a, beta)
    return c.where(c.gt(scaled, threshold), g, c.mul(g, c.sigmoid(scaled)))


def _silu_backward(c: Columns, g: Value, a: Value) -> Value:
    s = c.sigmoid(a)
    return c.mul(g, c.mul(s, c.add(c.mul(a, c.sub(1.0, s)), 1.0)))


def _gelu(t: Translator, record: Record) -> list[Value]:
    c, a = Columns(t), t.value(record.arguments[0])
    if record.named.get("approximate", "none") == "none":
        return [c.mul(c.mul(a, 0.5), c.add(c.erf(c.mul(a, sqrt(0.5))), 1.0))]
    return [c.mul(c.mul(a, 0.5), c.add(c.tanh(_gelu_inner(c, a)), 1.0))]


def _gelu_inner(c: Columns, a: Value) -> Value:
    return c.mul(c.add(c.mul(c.mul(c.mul(a, a), a), 0.044715), a), sqrt(0.6366197723675814))


def _gelu_backward(t: Translator, record: Record) -> list[Value]:
    c = Columns(t)
    g, a = (t.value(each) for each in record.arguments[:2])
    if record.named.get("approximate", "none") == "none":
        density = c.mul(c.exp(c.mul(c.mul(a, a), -0.5)), 0.3989422804014327)
        share = c.mul(c.add(c.erf(c.mul(a, sqrt(0.5))), 1.0), 0.5)
        return [c.mul(g, c.add(share, c.mul(a, density)))]
    h = c.tanh(_gelu_inner(c, a))
    slope = c.mul(c.add(c.mul(c.mul(a, a), 3 * 0.044715), 1.0), sqrt(0.6366197723675814))
    inner = c.mul(c.mul(a, 0.5), c.mul(c.sub(1.0, c.mul(h, h)), slope))
    return [c.mul(g, c.add(inner, c.mul(c.add(h, 1.0), 0.5)))]


def _elu(c: Columns, a: Value, alpha: int | float, scale: int | float, inner: int | float) -> Value:
    low = c.mul(c.expm1(c.mul(c.min(a, 0.0), inner)), alpha * scale)
    return c.where(c.gt(a, 0.0), c.mul(a, scale), low)


def _elu_backward(
    c: Columns,
    g: Value,
    alpha: int | float,
    scale: int | float,
    inner: int | float,
    is_result: bool,
    a: Value,
) -> Value:
    if is_result:
        low = c.mul(g, c.mul(c.add(a, alpha * scale), inner))
    else:
        low = c.mul(g, c.mul(c.exp(c.mul(c.min(a, 0.0), inner)), alpha * scale * inner))
    return c.where(c.gt(a, 0.0), c.mul(g, scale), low)


def _between(c: Columns, g: Value, a: Value, low: int | float, high: int | float) -> Value:
    return c.where(c.mul(c.gt(a, low), c.lt(a, high)), g, 0.0)


def _refused(t: Translator, record: Record) -> list[Value]:
    raise MixingError("draws random numbers; draw them once and pass them in as context")


RULES: dict[str, Rule] = {
    **{
        op: _plain(op)
        for op in ["neg", "abs", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal"]
    },
    **{
        op: _plain(op)
        for op in ["sin", "cos", "erf", "floor", "relu", "sigmoid", "tanh", "mul", "where"]
    },
    **{op: _plain(op) for op in ["eq", "ne", "lt", "le", "gt", "ge"]},
    **dict.fromkeys(("sign", "sgn"), _plain("sign")),
    "maximum": _plain("max"),
    "minimum": _plain("min"),
    "sigmoid_backward": _plain("sigmoid_grad"),
    "tanh_backward": _plain("tanh_grad"),
    **dict.fromkeys(("logical_and", "bitwise_and", "__and__"), _plain("mul")),
    **dict.fromkeys(("logical_or", "bitwise_or", "__or__"), _plain("max")),
    **dict.fromkeys(("logical_not", "bitwise_not"), _formula(lambda c, a: c.sub(1.0, a))),
    "add": _sum("add"),
    "sub": _sum("sub"),
    "rsub": _sum("sub", turned=True),
    "div": _div,
    "pow": _pow,
    "clamp": _clamp,
    "clamp_min": _plain("max"),
    "clamp_max": _plain("min"),
    "_to_copy": _to_copy,
    "lerp": _formula(lambda c, a, b, w: c.add(a, c.mul(w, c.sub(b, a)))),
    "masked_fill": _formula(lambda c, a, mask, value: c.where(mask, value, a)),
    "threshold_backward": _formula(lambda c, g, a, at: c.where(c.gt(a, at), g, 0.0)),
    "hardtanh": _formula(lambda c, a, low, high: c.min(c.max(a, low), high), -1.0, 1.0),
    "hardtanh_backward": _formula(_between),
    "silu": _formula(lambda c, a: c.mul(a, c.sigmoid(a))),
    "silu_backward": _formula(_silu_backward),
    "softplus": _formula(_softplus, 1.0, 20.0),
    "softplus_backward": _formula(_softplus_backward),
    "log_sigmoid_forward": _log_sigmoid,
    "log_sigmoid_backward": _formula(lambda c, g, a, _: c.mul(g, c.sigmoid(c.neg(a)))),
    "gelu": _gelu,
    "gelu_backward": _gelu_backward,
    "elu": _formula(_elu, 1.0, 1.0, 1.0),
    "elu_backward": _formula(_elu_backward),
    "leaky_relu": _formula(lambda c, a, s: c.where(c.gt(a, 0.0), a, c.mul(a, s)), 0.01),
    "leaky_relu_backward": _formula(lambda c, g, a, s, _: c.where(c.gt(a, 0.0), g, c.mul(g, s))),
    "addcmul": _addcmul,
    "addcdiv": _addcmul,
    **dict.fromkeys(RANDOM, _refused),
}
