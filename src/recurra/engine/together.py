"""Several steps over the same rows at once, such as one from each end.

Each is a job of one native call, whose threads share the tiles of all of them. The outputs stand
side by side in one tensor, into which every job writes its own columns. A call cuts every job into
as many tiles: jobs that would leave a thread idle take turns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from recurra.engine import autograd, native, opaque
from recurra.engine.autograd import Call, again, asked, uncast
from recurra.engine.machine import Gradients, Machine, Task, Tensors, aligned, blank, memory
from recurra.engine.place import NotNativeError
from recurra.engine.plain import Step
from recurra.engine.rows import rows_of
from recurra.engine.run import autocasts, call_of, method_of
from recurra.engine.tree import Tree, leaves, refill

Item = TypeVar("Item")
# A tile is not cut smaller: what has no more rows keeps one thread busy.
FEWEST_ROWS = 4


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


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes of a way: one job."""

    call: Call
    machine: Machine

    @property
    def width(self) -> int:
        """Columns of y."""
        return int(self.machine.y_shape[0])


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
    if opaque.watched() or autocasts(leaves(x)[0].device.type):
        return None
    if weights not in (None, torch.bfloat16):
        return None
    try:
        calls = _calls(x, ways, lengths, half=weights is not None)
        training = _training(calls)
        parts = [Part(call, _machine(call, tensors, training)) for call, tensors in calls]
        tensors = [each for _, own in calls for each in own]
        y, *last = _serve(parts, tensors, time_first, training)
    except NotNativeError:
        return None
    states = _split(last, [part.call.counts[2] for part in parts])
    return y, [refill(way.state, own) for way, own in zip(ways, states, strict=True)]


def _calls(
    x: Tree, ways: Sequence[Way], lengths: Tensor | None, *, half: bool
) -> list[tuple[Call, list[Tensor]]]:
    methods = [method_of(way.step, x, way.state, way.context) for way in ways]
    if None in methods:
        raise NotNativeError("a step that cannot be traced, or no steps")
    B, T = leaves(x)[0].shape[:2]
    rows = rows_of(B, T, lengths, reverse=False)
    return [
        call_of(
            *method,
            x,
            way.state,
            way.context,
            replace(rows, reverse=way.reverse),
            half=half,
            parameters=way.parameters,
        )
        for method, way in zip(methods, ways, strict=True)
        if method is not None
    ]


def _training(calls: Sequence[tuple[Call, list[Tensor]]]) -> bool:
    """Whether gradients are asked for.

    Raises:
        NotNativeError: of some ways alone, or beside rounded matrices; or types differ.
    """
    asks = {any(each.requires_grad for each in tensors) for _, tensors in calls}
    training = torch.is_grad_enabled() and True in asks
    dtypes = {call.dtype for call, _ in calls}
    half = any(call.half for call, _ in calls)
    if (training and (half or False in asks)) or len(dtypes) > 1:
        raise NotNativeError("ways that differ")
    if half and dtypes != {torch.float32}:
        raise NotNativeError("rounded matrices beside others than float32")
    return training


def _machine(call: Call, tensors: Sequence[Tensor], training: bool) -> Machine:
    wanted = call.wanted([each.requires_grad for each in tensors]) if training else None
    made = autograd.machine(call.traced, call.dtype, wanted, half=call.half)
    if len(made.y_shape) != 1:
        raise NotNativeError("outputs that are no columns")
    return made


def _serve(
    parts: list[Part], tensors: list[Tensor], time_first: bool, training: bool
) -> tuple[Tensor, ...]:
    if not training:
        return _forward(parts, tensors, [None] * len(parts), time_first)
    made: Any = Together.apply(parts, time_first, *tensors)  # type: ignore[no-untyped-call]  # torch's
    found: tuple[Tensor, ...] = made
    return found


class Together(torch.autograd.Function):
    """The outputs side by side and the last states; keeps what the backward needs."""

    @staticmethod
    def forward(
        ctx: Any, parts: list[Part], time_first: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        kept = [memory(part.machine.kept_bytes(part.call.rows)) for part in parts]
        found = _forward(parts, tensors, kept, time_first)
        ctx.save_for_backward(*tensors, *kept)
        # No gradient, rather than zeros: what none reaches does not run, as a node of its own.
        ctx.set_materialize_grads(False)
        ctx.parts, ctx.spent = parts, False
        return found

    @staticmethod
    @uncast
    def backward(ctx: Any, dy: Tensor | None, *dlast: Tensor | None) -> tuple[Tensor | None, ...]:
        every = _backs(ctx.parts, ctx.saved_tensors, ctx.needs_input_grad[2:], dy, dlast)
        reached = [back for back in every if back.cotangents]
        if torch.is_grad_enabled():
            found = [back.again() for back in reached]
        else:
            found = _backward(reached, spent=ctx.spent)
            ctx.spent = True
        each = iter(found)
        listed = [next(each) if back.cotangents else [None] * len(back.needs) for back in every]
        return (None, None, *(one for own in listed for one in own))


@dataclass(slots=True)
class Back:
    """The backward of a part.

    Args:
        cotangents: of the outputs and of the last states; none where no gradient came.
    """

    part: Part
    tensors: list[Tensor]
    needs: list[bool]
    kept: Tensor
    cotangents: list[Tensor]

    def again(self) -> list[Tensor | None]:
        """The gradients by torch's own rules."""
        return again(self.part.call, self.tensors, self.needs, self.cotangents)

    def ahead(self) -> Task:
        """The forward, once more."""
        return self.part.machine.forward(self._given(), self.part.call.rows, self.kept)[0]

    def task(self) -> tuple[Task, Gradients]:
        """The task, and the gradients that it will fill."""
        dy, *dlast = self.cotangents
        machine, rows = self.part.machine, self.part.call.rows
        return machine.backward(self._given(), rows, self.kept, dy, dlast)

    def _given(self) -> Tensors:
        return Tensors(*self.part.call.parts(self.tensors))


def _backs(
    parts: list[Part],
    saved: Sequence[Tensor],
    needs: Sequence[bool],
    dy: Tensor | None,
    dlast: Sequence[Tensor | None],
) -> list[Back]:
    counts = [sum(part.call.counts) for part in parts]
    kept = saved[len(needs) :]
    dys = [None] * len(parts) if dy is None else _columns(parts, dy)
    dlasts = _split(dlast, [part.call.counts[2] for part in parts])
    listed = zip(parts, _split(saved, counts), _split(needs, counts), kept, strict=True)
    return [
        Back(*one, _cotangents(one[0], one[1], [own_dy, *own_dlast]))
        for one, own_dy, own_dlast in zip(listed, dys, dlasts, strict=True)
    ]


def _cotangents(
    part: Part, tensors: Sequence[Tensor], came: Sequence[Tensor | None]
) -> list[Tensor]:
    """What came, zeros for the others; nothing where none came."""
    if all(each is None for each in came):
        return []
    rows, state = part.call.rows, part.call.parts(tensors)[2]
    shapes = [(rows.B, rows.T, part.width), *(one.shape for one in state)]
    zero = torch.zeros((), dtype=part.call.dtype)
    return [
        zero.expand(shape) if one is None else one for one, shape in zip(came, shapes, strict=True)
    ]


def _forward(
    parts: list[Part],
    tensors: Sequence[Tensor],
    kept: Sequence[Tensor | None],
    time_first: bool,
) -> tuple[Tensor, ...]:
    rows, dtype = parts[0].call.rows, parts[0].call.dtype
    y = blank((rows.B, rows.T, sum(part.width for part in parts)), dtype, time_first=time_first)
    own = _split(tensors, [sum(part.call.counts) for part in parts])
    made = [
        part.machine.forward(Tensors(*part.call.parts(mine)), part.call.rows, memory_, columns)
        for part, mine, memory_, columns in zip(parts, own, kept, _columns(parts, y), strict=True)
    ]
    _run(parts, [task for task, *_ in made])
    return (y, *(one for _, _, last in made for one in last))


def _backward(backs: list[Back], *, spent: bool) -> list[list[Tensor | None]]:
    parts = [back.part for back in backs]
    for back in backs:
        back.kept = aligned(back.kept)
    if spent:
        # A backward writes over what it has read; the graph was retained for another one.
        _run(parts, [back.ahead() for back in backs])
    made = [back.task() for back in backs]
    _run(parts, [task for task, _ in made])
    found = [[*each.parameters(), *each.x, *each.state, *each.context] for _, each in made]
    return [asked(each, back.needs) for each, back in zip(found, backs, strict=True)]


def _columns(parts: list[Part], y: Tensor) -> tuple[Tensor, ...]:
    """Each part's own columns, as views."""
    return torch.split(y, [part.width for part in parts], dim=-1)


def _run(parts: Sequence[Part], tasks: Sequence[Task]) -> None:
    """All in one call, where that keeps every thread busy; else one after another."""
    threads = torch.get_num_threads()
    jobs = [job for task in tasks for job in task.jobs]
    calls = [jobs] if _alike(parts, threads) else [[job] for job in jobs]
    for each in calls:
        native.run(each, threads)


def _alike(parts: Sequence[Part], threads: int) -> bool:
    """Whether tiles are alike, and share out evenly, where every job gets as many of them."""
    if threads == 1 or len(parts) < 2:
        return len(parts) > 0
    widths = {part.width for part in parts}
    few = parts[0].call.rows.B <= FEWEST_ROWS
    return few or (len(widths) == 1 and threads % len(parts) == 0)


def _split(listed: Iterable[Item], counts: Iterable[int]) -> list[list[Item]]:
    each = iter(listed)
    return [list(islice(each, count)) for count in counts]
