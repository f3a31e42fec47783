"""Runs of a plan as an operation that torch differentiates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import chain
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from recurra.engine import eager, native
from recurra.engine.applied import Applied
from recurra.engine.call import Call, Part, columns_of, forward, run_all, split
from recurra.engine.collector import waiting
from recurra.engine.machine import Gradients, Machine, Task, aligned, memory
from recurra.engine.place import NotNativeError
from recurra.engine.program import Packing
from recurra.engine.say import say_plain
from recurra.engine.traced import Traced, Wanted

Result = TypeVar("Result")
REQUIRES_GRAD = vars(torch._C.TensorBase)["requires_grad"].__get__


def machine(
    traced: Traced,
    dtype: torch.dtype,
    wanted: Wanted | None,
    packing: Packing = Packing.FULL,
) -> Machine:
    """The native form of a plan, made once.

    Args:
        wanted: the gradients that are asked for; None in inference.
        packing: of the matrices.

    Raises:
        NotNativeError: it has none.
    """
    key = (dtype, packing, wanted)
    found = traced.machines.get(key)
    if found is None:
        found = traced.machines[key] = _machine(traced, dtype, wanted, packing)
    if isinstance(found, str):
        raise NotNativeError(found)
    made: Machine = found
    return made


def _machine(
    traced: Traced, dtype: torch.dtype, wanted: Wanted | None, packing: Packing
) -> Machine | str:
    if native.library() is None:
        return "the native library is not there"
    try:
        with waiting():
            plan = traced.plan(wanted)
            training = wanted is not None
            return Machine(plan, dtype, traced.counts, training=training, packing=packing)
    except NotNativeError as error:
        return str(error)


def infer(call: Call, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """y and the last states, with no thought of a gradient.

    Raises:
        NotNativeError: the step has no native form, and another one is its definition.
    """
    try:
        made = machine(call.traced, call.traced.dtype, None, call.packing)
    except NotNativeError as reason:
        if call.packing is not Packing.HALF:
            raise
        say_plain(call.name, reason)
        return _rounded(call, tensors)
    return forward([Part(call, made, made.parts(call.rows))], tensors, [None])


def _rounded(call: Call, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The plan in plain torch, with matrices in bfloat16: a step alone does not know them."""
    packed = eager.pack(call.rows)
    parameters, x, state, context = call.parts(tensors)
    sorted_ = [packed.sort(each) for each in state], [packed.sort(each) for each in context]
    inputs = [packed.gather(each) for each in x]
    y, last, _ = eager.forward(call.traced.rounded, parameters, inputs, *sorted_, packed)
    return (packed.scatter(y, call.rows), *(packed.unsort(each) for each in last))


def uncast(backward: Callable[..., Result]) -> Callable[..., Result]:
    """A backward as it is without autocast, inside of which it may be called."""

    @wraps(backward)
    def run(*given: Any) -> Result:
        if not torch.is_autocast_enabled("cpu"):
            return backward(*given)
        with torch.autocast("cpu", enabled=False):
            return backward(*given)

    return run


class Native(torch.autograd.Function):
    """The outputs of all parts side by side, and their last states; as `forward` gives them."""

    apply: ClassVar[Applied]

    @staticmethod
    def forward(
        ctx: Any, parts: list[Part], time_first: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        kept = [memory(part.machine.kept_bytes(part.call.rows, part.cut)) for part in parts]
        found = forward(parts, tensors, kept, time_first=time_first)
        ctx.save_for_backward(*tensors, *kept)
        # No gradient, rather than zeros: what none reaches does not run, as a node of its own.
        ctx.set_materialize_grads(False)
        ctx.parts, ctx.spent = parts, False
        return found

    @staticmethod
    @uncast
    def backward(ctx: Any, dy: Tensor | None, *dlast: Tensor | None) -> tuple[Tensor | None, ...]:
        every = _backs(ctx.parts, ctx.saved_tensors, ctx.needs_input_grad[2:], dy, dlast)
        reached = [back for back in every if back.reached()]
        if torch.is_grad_enabled():
            found = [back.again() for back in reached]
        else:
            found = _backward(reached, spent=ctx.spent)
            ctx.spent = True
        if len(reached) < len(every):
            each = iter(found)
            found = [next(each) if one in reached else [None] * len(one.needs) for one in every]
        return (None, None, *chain.from_iterable(found))


@dataclass(slots=True, eq=False)
class Back:
    """The backward of a part.

    Args:
        needs: which gradients are asked for, one truth a tensor.
        dy, dlast: of the outputs and of the last states; None where no gradient came.
    """

    part: Part
    tensors: Sequence[Tensor]
    needs: Sequence[bool]
    kept: Tensor
    dy: Tensor | None
    dlast: Sequence[Tensor | None]

    def reached(self) -> bool:
        """Whether any gradient came."""
        return self.dy is not None or any(each is not None for each in self.dlast)

    def again(self) -> list[Tensor | None]:
        """The gradients by torch's own rules."""
        rows, made = self.part.call.rows, self.part.machine
        state = self.tensors[made.state]
        shapes = [(rows.B, rows.T, *made.y_shape), *(each.shape for each in state)]
        came = zip((self.dy, *self.dlast), shapes, strict=True)
        zero = torch.zeros((), dtype=made.dtype)
        cotangents = [zero.expand(shape) if one is None else one for one, shape in came]
        return again(self.part.call, self.tensors, self.needs, cotangents)

    def ahead(self) -> Task:
        """The forward, once more."""
        part = self.part
        return part.machine.forward(self.tensors, part.call.rows, self.kept, parts=part.cut)[0]

    def task(self) -> tuple[Task, Gradients]:
        """The task, and the gradients that it will fill."""
        part, made = self.part, self.part.machine
        given = (self.tensors, part.call.rows, self.kept, self.dy, self.dlast)
        return made.backward(*given, self.needs[made.state], part.cut)


def _backs(
    parts: list[Part],
    saved: Sequence[Tensor],
    needs: Sequence[bool],
    dy: Tensor | None,
    dlast: Sequence[Tensor | None],
) -> list[Back]:
    tensors, kept = saved[: len(needs)], saved[len(needs) :]
    if len(parts) == 1:
        return [Back(parts[0], tensors, needs, kept[0], dy, dlast)]
    counts = [part.call.traced.counts for part in parts]
    sizes = list(map(sum, counts))
    dys = [None] * len(parts) if dy is None else columns_of(parts, dy)
    dlasts = split(dlast, [states for _, _, states, _ in counts])
    own = (split(tensors, sizes), split(needs, sizes), kept, dys, dlasts)
    return [Back(*one) for one in zip(parts, *own, strict=True)]


def _backward(backs: list[Back], *, spent: bool) -> list[list[Tensor | None]]:
    parts = [back.part for back in backs]
    for back in backs:
        back.kept = aligned(back.kept)
    if spent:
        # A backward writes over what it has read; the graph was retained for another one.
        run_all(parts, [back.ahead() for back in backs])
    made = [back.task() for back in backs]
    run_all(parts, [task for task, _ in made])
    return [found.listed() for _, found in made]


class Planned(torch.autograd.Function):
    """The same in plain torch."""

    apply: ClassVar[Applied]

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
    needs = [*map(REQUIRES_GRAD, tensors)]
    if True not in needs or not torch.is_grad_enabled():
        return infer(call, tensors)
    wanted = call.wanted(needs)
    found: tuple[Tensor, ...]
    try:
        made = machine(call.traced, call.traced.dtype, wanted, call.packing)
        parts = [Part(call, made, made.parts(call.rows))]
        found = Native.apply(parts, False, *tensors)
    except NotNativeError as reason:
        # Without the library all of it runs so, which is said once.
        say_plain(call.name, reason, "trains" if native.library() else "runs")
        found = Planned.apply(call, wanted, *tensors)
    return found


def again(
    call: Call, tensors: Sequence[Tensor], needs: Sequence[bool], cotangents: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradient by torch's own rules, so that it can be differentiated once more."""
    # Where one of them is made from another, a gradient stops at its own alias.
    tensors = [each.view_as(each) for each in tensors]
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
