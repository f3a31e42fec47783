"""torch.nn's RNN, LSTM and GRU by the engine, layer after layer.

A module says its options and gives its weights, each read by its name at every call, so that what
stands in the place of a parameter (a parametrisation, a pruned weight) is what is used. Whatever
does not fit is left to torch's own forward, and with it every error.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from recurra.engine import Way, autocasts, native, together
from recurra.nn.form import ONE_STEP, Direction, Form, form
from recurra.nn.packed import Packing, pack, packing, unpack
from recurra.nn.plain import fits, looked_on, plain


def sequence(module: nn.RNNBase, input: Any, hx: Any) -> tuple[Any, Any] | None:
    """What the module's forward gives; None where torch's own has to give it."""
    if module.mode not in ONE_STEP and _steps(module, input) == 1:
        return None  # before all else: of such calls there are many
    if looked_on() or native.library() is None:
        return None
    packed = type(input) is PackedSequence
    if not plain(input.data if packed else input):
        return None
    made = form(
        module.mode,
        module.input_size,
        module.hidden_size,
        module.num_layers,
        module.bias,
        module.bidirectional,
        module.proj_size,
    )
    return (_packed if packed else _dense)(module, made, input, hx)


def _steps(module: nn.RNNBase, input: Any) -> int:
    """How many there are; 0 of what is no batch of tensors."""
    if type(input) is not Tensor or input.ndim != 3:
        return 0
    return input.shape[1 if module.batch_first else 0]


def _dense(module: nn.RNNBase, made: Form, input: Tensor, hx: Any) -> tuple[Tensor, Any] | None:
    batched, batch_first = input.ndim == 3, module.batch_first
    if batched:
        x = input if batch_first else input.transpose(0, 1)
    elif input.ndim == 2:
        x = input.unsqueeze(0)
    else:
        return None
    if x.shape[1] < made.fewest:
        return None
    first = _first(made, x, hx, batched)
    found = None if first is None else _layers(module, made, x, first)
    if found is None:
        return None
    y, last = found
    if not batched:
        y = y.squeeze(0)
    elif not batch_first:
        y = y.transpose(0, 1)
    return y, _joined(made, last, batched)


def _packed(
    module: nn.RNNBase, made: Form, input: PackedSequence, hx: Any
) -> tuple[PackedSequence, Any] | None:
    rows = packing(input)
    if rows is None or made.fewest > rows.T:
        return None
    if hx is not None and input.sorted_indices is not None:
        hx = module.permute_hidden(hx, input.sorted_indices)
    x = unpack(input.data, rows)
    first = _first(made, x, hx, batched=True)
    found = None if first is None else _layers(module, made, x, first, rows)
    if found is None:
        return None
    y, last = found
    packed = PackedSequence(
        pack(y, rows), input.batch_sizes, input.sorted_indices, input.unsorted_indices
    )
    return packed, module.permute_hidden(_joined(made, last, True), input.unsorted_indices)


def _first(made: Form, x: Tensor, hx: Any, batched: bool) -> list[Any] | None:
    """The first state of every layer and direction; None where what came does not fit."""
    B, number, widths, dtype = x.shape[0], made.number, made.widths, x.dtype
    if hx is None:
        h = x.new_zeros(B, widths[0])
        parts = [h if width == widths[0] else x.new_zeros(B, width) for width in widths]
        return [made.state(*parts)] * number
    given = (hx,) if len(widths) == 1 else hx
    if not isinstance(given, tuple | list) or len(given) != len(widths):
        return None
    for part, width in zip(given, widths, strict=True):
        shape = (number, B, width) if batched else (number, width)
        if not fits(part, dtype) or part.shape != shape:
            return None
    if not batched:
        given = [part.unsqueeze(1) for part in given]
    return [made.state(*each) for each in zip(*(part.unbind() for part in given), strict=True)]


def _layers(
    module: nn.RNNBase, made: Form, x: Tensor, first: list[Any], rows: Packing | None = None
) -> tuple[Tensor, list[Any]] | None:
    """The outputs (B, T, …), step after step in memory, and the last states."""
    # Under autocast torch's modules give other types.
    if x.shape[2] != module.input_size or autocasts("cpu"):
        return None
    drops = module.training and module.dropout > 0
    last: list[Any] = []
    for directions in made.layers:
        if last and drops:
            x = _dropped(x, module.dropout, rows)
        ways = _ways(module, directions, first[len(last) :], x.dtype)
        lengths = None if rows is None else rows.lengths
        found = ways and together(x, ways, lengths=lengths, time_first=True)
        if not found:
            return None
        x, states = found
        last += states
    return x, last


def _ways(
    module: nn.RNNBase, directions: tuple[Direction, ...], first: list[Any], dtype: torch.dtype
) -> list[Way] | None:
    ways, there = [], module._parameters.get  # where an attribute is found last, and slowly
    for direction, state in zip(directions, first, strict=False):
        parameters = {}
        for own, name, shape in direction.weights:
            weight: Any = there(name)
            if weight is None:
                weight = getattr(module, name, None)
            if not fits(weight, dtype) or weight.shape != shape:
                return None
            parameters[own] = weight
        ways.append(Way(direction.step, state, None, direction.reverse, parameters))
    return ways


def _dropped(x: Tensor, p: float, rows: Packing | None) -> Tensor:
    """The outputs of a layer with the mask that torch draws there."""
    if rows is None:
        return F.dropout(x.transpose(0, 1), p).transpose(0, 1)
    return unpack(F.dropout(pack(x, rows), p), rows)


def _joined(made: Form, last: list[Any], batched: bool) -> Any:
    """The last states as torch stacks them: (layers times directions, B, …)."""
    join = _stacked if batched else _concatenated
    parts = [join(part) for part in zip(*last, strict=True)]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _stacked(part: tuple[Tensor, ...]) -> Tensor:
    return part[0].unsqueeze(0) if len(part) == 1 else torch.stack(part)


def _concatenated(part: tuple[Tensor, ...]) -> Tensor:
    """Of one row, whose batch is none."""
    return part[0] if len(part) == 1 else torch.cat(part)
