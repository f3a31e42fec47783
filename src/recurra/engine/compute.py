"""The operations of a graph in plain torch; rows are the first dimension."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.engine.graph import Node, ancestors
from recurra.engine.trace import Ref

Values = dict[Node, Tensor]
Run = Callable[[Node, list[Tensor]], Tensor]


def compute(targets: Iterable[Node], values: Values) -> None:
    """Evaluate the targets and what they need, from the values at hand."""
    evaluate(ancestors(targets, values), values)


def evaluate(nodes: Iterable[Node], values: Values) -> None:
    """Add the values of nodes that come in order."""
    dtype = _type_of(values)
    for node in nodes:
        made = RUN[node.op](node, [values[each] for each in node.inputs])
        if dtype is not None and node.op == "expand" and node.inputs[0].op == "literal":
            made = made.to(dtype)  # a product, or what is joined, must be of one type
        values[node] = made


def settle(nodes: Sequence[Node], outputs: Collection[Node], sums: Values, values: Values) -> None:
    """Add the sums over rows and the gradients of parameters that are made of them.

    They are linear in the sums, and a sum over thousands of steps is large. torch's gradient of a
    matrix's exponential, which puts both into one matrix, then loses the digits of the matrix: so
    what torch's own operations see is at most about 1, by a power of two.

    Args:
        nodes: all between the sums and the outputs, inputs before users.
    """
    if not sums or not any(node.op == "torch" for node in nodes):
        values |= sums
        evaluate(nodes, values)
        return
    scale = _scale([each.detach() for each in sums.values()])
    values |= {node: each / scale for node, each in sums.items()}
    evaluate(nodes, values)
    values |= {node: values[node] * scale for node in {*outputs} & {*nodes}} | sums


def _scale(parts: list[Tensor]) -> Tensor:
    """The power of two below the largest number, 1 at least; what is not finite does not count."""
    none = parts[0].new_zeros(())
    largest = torch.stack([each.abs().amax() if each.numel() else none for each in parts]).amax()
    power = largest.nan_to_num(0.0, 0.0).clamp(min=1.0).log2().floor()
    return torch.ldexp(torch.ones_like(largest), power)


def _type_of(values: Values) -> torch.dtype | None:
    """The type of the step; a number alone is float64 anywhere."""
    return next((v.dtype for v in values.values() if v.ndim and v.is_floating_point()), None)


def _torch(node: Node, v: list[Tensor]) -> Tensor:
    call: Any = node.options[0]

    def fill(argument: Any) -> Any:
        if isinstance(argument, tuple):
            return [fill(each) for each in argument]
        return v[argument.number] if isinstance(argument, Ref) else argument

    if call.operation._schema.is_mutable:
        v = [each.clone() for each in v]  # what it writes into is another node's value
    named = {key: fill(value) for key, value in call.named}
    made = call.operation(*map(fill, call.arguments), **named)
    found: Tensor = made[call.result] if isinstance(made, tuple | list) else made
    return found


def _lead(node: Node, value: Tensor) -> list[int]:
    return [value.shape[0]] if node.inputs[0].rows else []


def _view(node: Node, v: list[Tensor]) -> Tensor:
    return v[0].reshape((*_lead(node, v[0]), *node.shape))


def _permute(node: Node, v: list[Tensor]) -> Tensor:
    lead = int(node.inputs[0].rows)
    return v[0].permute(*range(lead), *(k + lead for k in node.dims))


def _expand(node: Node, v: list[Tensor]) -> Tensor:
    if not node.inputs[0].rows:
        return v[0].expand(node.shape)
    return v[0].expand(v[0].shape[0], *node.shape)


def _slice(node: Node, v: list[Tensor]) -> Tensor:
    start, stop = node.bounds
    return v[0].narrow(_at(node), start, stop - start)


def _cat(node: Node, v: list[Tensor]) -> Tensor:
    # A graph has one type; what is wider is a constant, which takes it.
    narrow = min((each.dtype for each in v), key=lambda dtype: dtype.itemsize)
    v = [each.to(narrow) for each in v]
    if not node.rows:
        return torch.cat(v, node.at)
    rows = max(each.shape[0] for each, of in zip(v, node.inputs, strict=True) if of.rows)
    parts = [
        each if of.rows else each.expand(rows, *each.shape)
        for each, of in zip(v, node.inputs, strict=True)
    ]
    return torch.cat(parts, node.at + 1)


def _at(node: Node) -> int:
    return node.at + int(node.inputs[0].rows)


def _dims(node: Node) -> list[int]:
    return [dim + int(node.inputs[0].rows) for dim in node.dims]


def _cumsum(node: Node, v: list[Tensor]) -> Tensor:
    dim = _at(node)
    if node.options[1:]:
        return v[0].flip(dim).cumsum(dim).flip(dim)
    return v[0].cumsum(dim)


def _contract(node: Node, v: list[Tensor]) -> Tensor:
    rows = max(each.shape[0] for each, of in zip(v, node.inputs, strict=True) if of.rows)
    a, b = (
        each if of.rows else each.expand(rows, *each.shape)
        for each, of in zip(v, node.inputs, strict=True)
    )
    return torch.einsum("rnjm,rnjk->nmk", a, b)


def _compare(op: Callable[..., Tensor]) -> Run:
    return lambda node, v: op(v[0], v[1]).to(_floating(v))


def _floating(v: list[Tensor]) -> torch.dtype:
    return next((each.dtype for each in v if each.ndim), v[0].dtype)


def _of(function: Callable[..., Tensor]) -> Run:
    return lambda node, v: function(*v)


RUN: dict[str, Run] = {
    "torch": _torch,
    "literal": lambda node, v: torch.tensor(node.literal, dtype=torch.float64),
    "view": _view,
    "permute": _permute,
    "expand": _expand,
    "slice": _slice,
    "cat": _cat,
    "flip": lambda node, v: v[0].flip(_at(node)),
    "cumsum": _cumsum,
    "sum": lambda node, v: v[0].sum(_dims(node), keepdim=True),
    "amax": lambda node, v: v[0].amax(_dims(node), keepdim=True),
    "amin": lambda node, v: v[0].amin(_dims(node), keepdim=True),
    "total": lambda node, v: v[0].sum(0),
    "contract": _contract,
    "bfloat16": lambda node, v: v[0].bfloat16().to(v[0].dtype),
    "matmul": _of(torch.matmul),
    "heads": _of(torch.matmul),
    "bmm": _of(torch.matmul),
    **{
        op: _of(getattr(torch, op))
        for op in ["neg", "abs", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt"]
    },
    **{
        op: _of(getattr(torch, op))
        for op in ["sin", "cos", "erf", "floor", "relu", "sigmoid", "tanh"]
    },
    **{
        op: _of(getattr(torch, op))
        for op in ["reciprocal", "sign", "add", "sub", "mul", "div", "pow"]
    },
    "min": _of(torch.minimum),
    "max": _of(torch.maximum),
    **{op: _compare(getattr(torch, op)) for op in ["eq", "ne", "lt", "le", "gt", "ge"]},
    "where": lambda node, v: torch.where(v[0] != 0, v[1], v[2]),
    "sigmoid_grad": lambda node, v: v[0] * v[1] * (1 - v[1]),
    "tanh_grad": lambda node, v: v[0] * (1 - v[1] * v[1]),
}
