"""Runs of a plan as an operation that torch differentiates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

from recurra.engine import eager, native
from recurra.engine.collector import waiting
from recurra.engine.machine import Machine, Tensors, aligned, memory
from recurra.engine.place import NotNativeError
from recurra.engine.rows import Rows
from recurra.engine.say import say_plain
from recurra.engine.traced import Traced, Wanted

Part = TypeVar("Part")
Back = TypeVar("Back")


@dataclass
class Call:
    """One sequence: what runs, and how its tensors are counted.

    Args:
        counts: how many of the tensors are parameters, x, state and context.
        name: what a message calls the module.
        half: matrices are rounded to bfloat16; in inference alone.
    """

    traced: Traced
    dtype: torch.dtype
    rows: Rows
    counts: tuple[int, int, int, int]
    name: str = ""
    half: bool = False

    def parts(self, listed: Sequence[Part]) -> list[list[Part]]:
        """One list a kind."""
        found, start = [], 0
        for count in self.counts:
            found.append(list(listed[start : start + count]))
            start += count
        return found

    def wanted(self, needs: Sequence[bool]) -> Wanted:
        """Which gradients are asked for, from one truth a tensor."""
        parameters, x, _, context = self.parts(needs)
        return Wanted(tuple(parameters), tuple(x), tuple(context))


def machine(
    traced: Traced, dtype: torch.dtype, wanted: Wanted | None, *, half: bool = False
) -> Machine:
    """The native form of a plan, made once.

    Args:
        wanted: the gradients that are asked for; None in inference.
        half: matrices are packed as bfloat16.

    Raises:
        NotNativeError: it has none.
    """
    key = (torch.bfloat16 if half else dtype, wanted)
    found = traced.machines.get(key)
    if found is None:
        found = traced.machines[key] = _machine(traced, dtype, wanted, half)
    if isinstance(found, str):
        raise NotNativeError(found)
    made: Machine = found
    return made


def _machine(
    traced: Traced, dtype: torch.dtype, wanted: Wanted | None, half: bool
) -> Machine | str:
    if native.library() is None:
        return "the native library is not there"
    try:
        with waiting():
            return Machine(traced.plan(wanted), dtype, training=wanted is not None, half=half)
    except NotNativeError as error:
        return str(error)


def infer(call: Call, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """y and the last states, with no thought of a gradient.

    Raises:
        NotNativeError: the step has no native form, and another one is its definition.
    """
    try:
        made = machine(call.traced, call.dtype, None, half=call.half)
    except NotNativeError as reason:
        if not call.half:
            raise
        say_plain(call.name, reason)
        return _rounded(call, tensors)
    parts = made.parts(call.rows)
    task, y, last = made.forward(Tensors(*call.parts(tensors)), call.rows, None, parts=parts)
    native.run(task.jobs, torch.get_num_threads())
    return (y, *last)


def _rounded(call: Call, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The plan in plain torch, with matrices in bfloat16: a step alone does not know them."""
    packed = eager.pack(call.rows)
    parameters, x, state, context = call.parts(tensors)
    sorted_ = [packed.sort(each) for each in state], [packed.sort(each) for each in context]
    inputs = [packed.gather(each) for each in x]
    y, last, _ = eager.forward(call.traced.rounded, parameters, inputs, *sorted_, packed)
    return (packed.scatter(y, call.rows), *(packed.unsort(each) for each in last))


def uncast(backward: Callable[..., Back]) -> Callable[..., Back]:
    """A backward as it is without autocast, inside of which it may be called."""

    @wraps(backward)
    def run(*given: Any) -> Back:
        if not torch.is_autocast_enabled("cpu"):
            return backward(*given)
        with torch.autocast("cpu", enabled=False):
            return backward(*given)

    return run


class Native(torch.autograd.Function):
    """y and the last states; keeps what the backward needs."""

    @staticmethod
    def forward(ctx: Any, call: Call, made: Machine, *tensors: Tensor) -> tuple[Tensor, ...]:
        rows = call.rows
        parts = made.parts(rows)
        kept = memory(made.kept_bytes(rows, parts))
        task, y, last = made.forward(Tensors(*call.parts(tensors)), rows, kept, parts=parts)
        native.run(task.jobs, torch.get_num_threads())
        ctx.save_for_backward(*tensors, kept)
        ctx.call, ctx.machine, ctx.parts, ctx.spent = call, made, parts, False
        return (y, *last)

    @staticmethod
    @uncast
    def backward(ctx: Any, dy: Tensor, *dlast: Tensor) -> tuple[Tensor | None, ...]:
        needs = ctx.needs_input_grad[2:]
        *tensors, kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (None, None, *again(ctx.call, tensors, needs, (dy, *dlast)))
        given, rows = Tensors(*ctx.call.parts(tensors)), ctx.call.rows
        kept = aligned(kept)
        if ctx.spent:
            # A backward writes over what it has read; the graph was retained for another one.
            once_more, *_ = ctx.machine.forward(given, rows, kept, parts=ctx.parts)
            native.run(once_more.jobs, torch.get_num_threads())
        ctx.spent = True
        first = ctx.call.parts(needs)[2]
        task, made = ctx.machine.backward(given, rows, kept, dy, dlast, first, ctx.parts)
        native.run(task.jobs, torch.get_num_threads())
        found = [*made.parameters(), *made.x, *made.state, *made.context]
        return (None, None, *asked(found, needs))


class Planned(torch.autograd.Function):
    """The same in plain torch."""

    @staticmethod
    def forward(ctx: Any, call: Call, wanted: Wanted, *tensors: Tensor) -> tuple[Tensor, ...]:
        plan = call.traced.plan(wanted)
        packed = eager.pack(call.rows)
        parameters, x, state, context = call.parts(tensors)
        sorted_ = [packed.sort(each) for each in state], [packed.sort(each) for each in context]
        inputs = [packed.gather(each) for each in x]
        y, last, kept = eager.forward(plan, parameters, inputs, *sorted_, packed)
        ctx.save_for_backward(*tensors)
        ctx.call, ctx.plan, ctx.packed, ctx.kept = call, plan, packed, kept
        return (packed.scatter(y, call.rows), *(packed.unsort(each) for each in last))

    @staticmethod
    @uncast
    def backward(ctx: Any, dy: Tensor, *dlast: Tensor) -> tuple[Tensor | None, ...]:
        call, packed, needs = ctx.call, ctx.packed, ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            return (None, None, *again(call, ctx.saved_tensors, needs, (dy, *dlast)))
        found = eager.gradients(ctx.plan, ctx.kept, dy, dlast, packed, call.rows)
        return (None, None, *asked(found, needs))


def serve(call: Call, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """y and the last states.

    Raises:
        NotNativeError: in inference, when the step has no native form.
    """
    needs = [each.requires_grad for each in tensors]
    if True not in needs or not torch.is_grad_enabled():
        return infer(call, tensors)
    wanted = call.wanted(needs)
    found: tuple[Tensor, ...]
    try:
        made = machine(call.traced, call.dtype, wanted)
        found = Native.apply(call, made, *tensors)  # type: ignore[no-untyped-call]  # torch's
    except NotNativeError as reason:
        # Without the library all of it runs so, which is said once.
        say_plain(call.name, reason, "trains" if native.library() else "runs")
        found = Planned.apply(call, wanted, *tensors)  # type: ignore[no-untyped-call]  # too
    return found


def again(
    call: Call, tensors: Sequence[Tensor], needs: Sequence[bool], cotangents: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradient by torch's own rules, so that it can be differentiated once more."""
    packed = eager.pack(call.rows)
    parameters, x, state, context = call.parts(tensors)
    y, last = eager.differentiable(
        call.traced.inference,
        parameters,
        [packed.gather(each) for each in x],
        [packed.sort(each) for each in state],
        [packed.sort(each) for each in context],
        packed,
    )
    outputs = [packed.scatter(y, call.rows), *(packed.unsort(each) for each in last)]
    asked = [each for each, yes in zip(tensors, needs, strict=True) if yes]
    reached = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
    found = iter(
        torch.autograd.grad(
            [o for o, _ in reached],
            asked,
            [c for _, c in reached],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if yes else None for yes in needs]


def asked(found: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
    """The gradients that are needed, None for the others."""
    return [each if yes else None for each, yes in zip(found, needs, strict=True)]
