"""Several steps over the same rows at once, such as one from each end.

Each is a job of one native call, whose threads share the tiles of all of them. The outputs stand
side by side in one tensor, into which every job writes its own columns. A call cuts every job into
as many tiles: jobs that would leave a thread idle take turns.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from recurra.engine import autograd, opaque
from recurra.engine.call import Call, Part, forward, split
from recurra.engine.machine import Machine
from recurra.engine.place import NotNativeError
from recurra.engine.plain import Step
from recurra.engine.program import Packing
from recurra.engine.rows import rows_over
from recurra.engine.run import autocasts, call_of, tiling
from recurra.engine.tree import Tree, leaves, refill


class Way(NamedTuple):
    """One of the steps; each field as in `run`.

    Args:
        parameters: by name, what stands in the place of the module's own, which say only what a
            step looks like.
    """

    step: Step
    state: Tree
    context: Tree = None
    reverse: bool = False
    parameters: Mapping[str, Tensor] | None = None


def together(
    x: Tree,
    ways: Sequence[Way],
    *,
    lengths: Int64[Tensor, " B"] | None = None,
    weights: torch.dtype | None = None,
    time_first: bool = False,
) -> tuple[Shaped[Tensor, "B T H"], list[Tree]] | None:
    """Run steps over the same x: the outputs side by side, and the last state of each.

    The numbers are those of `run`, bit for bit. None where they cannot go at once, such as where
    one of them has no native form: `run` serves there, and says what does not fit.

    Args:
        lengths: as in `run`.
        weights: as in `run`.
        time_first: the outputs lie step after step in memory, not row after row.
    """
    if opaque.watched() or weights not in (None, torch.bfloat16):
        return None
    device = leaves(x)[0].device.type
    packing = tiling(device) if weights is None else Packing.HALF
    if not autocasts(device):
        return _together(x, ways, lengths, packing, time_first)
    with torch.autocast(device, enabled=False):
        return _together(x, ways, lengths, packing, time_first)


def _together(
    x: Tree, ways: Sequence[Way], lengths: Tensor | None, packing: Packing, time_first: bool
) -> tuple[Tensor, list[Tree]] | None:
    """`together` outside of autocast."""
    try:
        calls = _calls(x, ways, lengths, packing)
        training = _training(calls)
        parts = [Part(call, _machine(call, tensors, training)) for call, tensors in calls]
    except NotNativeError:
        return None
    tensors = [each for _, own in calls for each in own]
    if training:
        made = autograd.Native.apply(parts, time_first, *tensors)
    else:
        made = forward(parts, tensors, [None] * len(parts), time_first=time_first)
    y, *last = made
    states = split(last, [part.call.traced.counts[2] for part in parts])
    return y, [refill(way.state, own) for way, own in zip(ways, states, strict=True)]


def _calls(
    x: Tree, ways: Sequence[Way], lengths: Tensor | None, packing: Packing
) -> list[tuple[Call, list[Tensor]]]:
    rows, found = rows_over(x, lengths, reverse=False), []
    for way in ways:
        own = rows._replace(reverse=True) if rows is not None and way.reverse else rows
        given = (way.step, x, way.state, way.context, own)
        made = call_of(*given, packing=packing, parameters=way.parameters)
        if made is None:
            raise NotNativeError("a step that cannot be traced, or no steps")
        found.append(made)
    return found


def _training(calls: Sequence[tuple[Call, list[Tensor]]]) -> bool:
    """Whether gradients are asked for.

    Raises:
        NotNativeError: of some ways alone, or beside rounded matrices; or types differ.
    """
    training = False
    if torch.is_grad_enabled():
        asks = [any(each.requires_grad for each in tensors) for _, tensors in calls]
        training = any(asks)
        if training and not all(asks):
            raise NotNativeError("ways that differ")
    first = calls[0][0]
    if any(call.traced.dtype != first.traced.dtype for call, _ in calls):
        raise NotNativeError("ways that differ")
    if first.packing is Packing.HALF and (training or first.traced.dtype != torch.float32):
        raise NotNativeError("rounded matrices beside others than float32, or gradients")
    return training


def _machine(call: Call, tensors: Sequence[Tensor], training: bool) -> Machine:
    wanted = call.wanted([each.requires_grad for each in tensors]) if training else None
    made = autograd.machine(call.traced, call.traced.dtype, wanted, call.packing)
    if len(made.y_shape) != 1:
        raise NotNativeError("outputs that are no columns")
    return made
