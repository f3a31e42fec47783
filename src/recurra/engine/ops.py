"""Runs as operations of torch's library: what torch.compile and torch.func see.

A compiler that looks on sees tensors and the name of a plan; what Python does for a run, and what
the library does, stays behind the operation.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.utils._python_dispatch import _disable_current_modes

from recurra.engine import eager, native
from recurra.engine.applied import Applied
from recurra.engine.autograd import asked, machine
from recurra.engine.call import Call
from recurra.engine.graph import Node, ancestors
from recurra.engine.machine import ALIGNED, Machine
from recurra.engine.place import NotNativeError
from recurra.engine.rows import Rows, rows_of
from recurra.engine.traced import Counts, Traced, Wanted
from recurra.errors import UnsupportedError


@contextmanager
def unwatched() -> Iterator[None]:
    """Tensors made here are true ones, whatever compiler or transform looks on."""
    with temporarily_clear_interpreter_stack(), _disable_current_modes():
        yield


@dataclass(frozen=True)
class Entry:
    """What a name stands for."""

    traced: Traced
    dtype: torch.dtype
    counts: Counts

    def call(self, rows: Rows) -> Call:
        """One sequence of it."""
        return Call(self.traced, rows)

    def machine(self, wanted: Wanted | None) -> Machine | None:
        """Its native form, where it has one."""
        try:
            if (self.dtype, wanted) in self.traced.machines:
                return machine(self.traced, self.dtype, wanted)
            with unwatched():
                return machine(self.traced, self.dtype, wanted)
        except NotNativeError:
            return None


_ENTRIES: dict[str, Entry] = {}


def name_of(traced: Traced, dtype: torch.dtype, counts: Counts) -> str:
    """The name of a plan: the same in every process, for torch keeps compiled graphs on disk."""
    names: dict[Any, str] = traced.names
    if (dtype, counts) not in names:
        text = f"{native.ABI} {native.level()} {dtype} {counts}\n{_text(traced)}"
        names[dtype, counts] = sha256(text.encode()).hexdigest()[:32]
    name = names[dtype, counts]
    _ENTRIES.setdefault(name, Entry(traced, dtype, counts))
    return name


def _text(traced: Traced) -> str:
    """Every operation of a step, a line each."""
    outputs = traced.step.outputs
    order = ancestors(node for nodes in outputs.values() for node in nodes if node is not None)
    number: dict[Node | None, int] = {node: k for k, node in enumerate(order)} | {None: -1}
    lines = [
        f"{node.op} {inputs} {node.options} {node.shape} {node.rows}"
        for node in order
        for inputs in [[number[each] for each in node.inputs]]
    ]
    results = [f"{kind} {[number[node] for node in nodes]}" for kind, nodes in outputs.items()]
    return "\n".join([*lines, *results])


@torch.library.custom_op("recurra::infer", mutates_args=())
def infer(
    tensors: Sequence[Tensor], lengths: Tensor | None, name: str, reverse: bool
) -> list[Tensor]:
    """y and the last states."""
    entry = _ENTRIES[name]
    call = entry.call(_rows(entry, tensors, lengths, reverse))
    made = entry.machine(None)
    if made is None:
        y, last, _ = _eager(call, tensors, None)
        return [y, *last]
    task, y, last = made.forward(tensors, call.rows, None)
    native.run(task.jobs, torch.get_num_threads())
    return [y, *last]


@torch.library.custom_op("recurra::train", mutates_args=())
def train(
    tensors: Sequence[Tensor],
    lengths: Tensor | None,
    name: str,
    reverse: bool,
    needs: Sequence[bool],
) -> list[Tensor]:
    """y, the last states, and the memory kept for `backward`."""
    entry = _ENTRIES[name]
    call = entry.call(_rows(entry, tensors, lengths, reverse))
    wanted = call.wanted(needs)
    made = entry.machine(wanted)
    kept = torch.zeros(_room(made, call.rows.B, call.rows.T), dtype=torch.uint8)
    if made is None:
        y, last, _ = _eager(call, tensors, wanted)
        return [y, *last, kept]
    task, y, last = made.forward(tensors, call.rows, kept)
    native.run(task.jobs, torch.get_num_threads())
    return [y, *last, kept]


@torch.library.custom_op("recurra::backward", mutates_args=())
def backward(
    tensors: Sequence[Tensor],
    lengths: Tensor | None,
    name: str,
    reverse: bool,
    needs: Sequence[bool],
    kept: Tensor,
    cotangents: Sequence[Tensor],
) -> list[Tensor]:
    """The gradients that are needed, of tensors in their order."""
    entry = _ENTRIES[name]
    call = entry.call(_rows(entry, tensors, lengths, reverse))
    wanted = call.wanted(needs)
    made = entry.machine(wanted)
    dy, *dlast = cotangents
    if made is None:
        _, _, back = _eager(call, tensors, wanted)
        found = back(dy, dlast)
    else:
        # The library works in the memory it kept, and an operation leaves its arguments alone.
        task, filled = made.backward(tensors, call.rows, kept.clone(), dy, dlast)
        native.run(task.jobs, torch.get_num_threads())
        found = filled.listed()
    every = zip(tensors, found, needs, strict=True)
    return _apart(
        [_gradient(one, each) for one, each, yes in every if yes], (*tensors, *cotangents)
    )


def _gradient(one: Tensor, found: Tensor | None) -> Tensor:
    if found is None:
        return torch.zeros_like(one, memory_format=torch.contiguous_format)
    return found.contiguous()


def _apart(made: list[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
    """Each in memory of its own, as torch asks of an operation; one sum may serve two biases."""
    seen = {each.untyped_storage().data_ptr() for each in given}
    found = []
    for each in made:
        place = each.untyped_storage().data_ptr()
        found.append(each.clone() if place in seen and each.numel() else each)
        seen.add(place)
    return found


def _eager(
    call: Call, tensors: Sequence[Tensor], wanted: Wanted | None
) -> tuple[Tensor, list[Tensor], Any]:
    """In plain torch: the outputs, and what gives the gradients of their cotangents."""
    rows, plan, packed = call.rows, call.traced.plan(wanted), eager.pack(call.rows)
    parameters, inputs, *others = call.parts(tensors)
    state, context = ([packed.sort(each) for each in some] for some in others)
    x = [packed.gather(each) for each in inputs]
    y, last, kept = eager.forward(plan, parameters, x, state, context, packed)

    def back(dy: Tensor, dlast: Sequence[Tensor]) -> list[Tensor | None]:
        return eager.gradients(plan, kept, dy, dlast, packed, rows)

    unsorted = [packed.unsort(each) for each in last]
    fresh = [each.clone() for each in unsorted if each is not None]
    return packed.scatter(y, rows), fresh, back


def _rows(entry: Entry, tensors: Sequence[Tensor], lengths: Tensor | None, reverse: bool) -> Rows:
    first = tensors[entry.counts[0]]
    return rows_of(first.shape[0], first.shape[1], lengths, reverse)


def _room(made: Machine | None, B: Any, T: Any) -> Any:
    """Bytes enough to keep, whatever the lengths: linear, so that a compiler need not know B, T."""
    if made is None:
        return 0
    row, step = (made.program.kept_bytes(*one) // ALIGNED for one in ((ALIGNED, 0), (0, ALIGNED)))
    return B * T * step + B * row + ALIGNED * made.buffers


@infer.register_fake
def _(tensors: Any, lengths: Any, name: str, reverse: bool) -> list[Tensor]:
    return _results(_ENTRIES[name], tensors)


@train.register_fake
def _(tensors: Any, lengths: Any, name: str, reverse: bool, needs: Any) -> list[Tensor]:
    entry = _ENTRIES[name]
    wanted = entry.call(Rows(1, 1)).wanted(needs)
    first = tensors[entry.counts[0]]
    room = _room(entry.machine(wanted), *first.shape[:2])
    return [*_results(entry, tensors), first.new_empty(room, dtype=torch.uint8)]


@backward.register_fake
def _(
    tensors: Any, lengths: Any, name: str, reverse: bool, needs: Any, kept: Any, cotangents: Any
) -> list[Tensor]:
    return [
        torch.empty_like(one, memory_format=torch.contiguous_format)
        for one, yes in zip(tensors, needs, strict=True)
        if yes
    ]


def _results(entry: Entry, tensors: Sequence[Tensor]) -> list[Tensor]:
    _, x, state, _ = entry.call(Rows(1, 1)).parts(tensors)
    (y,) = entry.traced.inference.outputs("y")
    last = [torch.empty_like(each, memory_format=torch.contiguous_format) for each in state]
    return [x[0].new_empty(*x[0].shape[:2], *y.shape, dtype=entry.dtype), *last]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    tensors, lengths, *ctx.options = inputs
    ctx.count = len(tensors)
    ctx.save_for_backward(*tensors, output[-1], *([] if lengths is None else [lengths]))


def _backward(ctx: Any, cotangents: list[Tensor]) -> tuple[Any, ...]:
    tensors, (kept, *lengths) = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
    name, reverse, needs = ctx.options
    given = [each.contiguous() for each in cotangents[:-1]]
    ragged = lengths[0] if lengths else None
    found = iter(backward(list(tensors), ragged, name, reverse, needs, kept, given))
    every = [next(found) if yes else None for yes in needs]
    return asked(every, ctx.needs_input_grad[0]), None, None, None, None


train.register_autograd(_backward, setup_context=_setup)


class Transformed(torch.autograd.Function):
    """`train` for the transforms of torch.func, which do not see how an operation is registered."""

    apply: ClassVar[Applied]
    generate_vmap_rule = True

    @staticmethod
    def forward(
        lengths: Tensor | None, name: str, reverse: bool, needs: Sequence[bool], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(train(list(tensors), lengths, name, reverse, needs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        lengths, *options = inputs[:4]
        ctx.mark_non_differentiable(output[-1])
        _setup(ctx, (list(inputs[4:]), lengths, *options), list(output))

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        tensors, (kept, *lengths) = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        given = (*tensors, kept, *cotangents[:-1])
        ragged = lengths[0] if lengths else None
        made = TransformedBack.apply(ragged, ctx.count, *ctx.options, *given)
        found = iter(made)
        every = [next(found) if yes else None for yes in ctx.options[-1]]
        return (None, None, None, None, *asked(every, ctx.needs_input_grad[4:]))


class TransformedBack(torch.autograd.Function):
    """`backward`, likewise."""

    apply: ClassVar[Applied]
    generate_vmap_rule = True

    @staticmethod
    def forward(
        lengths: Tensor | None,
        count: int,
        name: str,
        reverse: bool,
        needs: Sequence[bool],
        *given: Tensor,
    ) -> tuple[Tensor, ...]:
        tensors, (kept, *cotangents) = list(given[:count]), given[count:]
        return tuple(backward(tensors, lengths, name, reverse, needs, kept, cotangents))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> NoReturn:
        raise UnsupportedError(
            "engine: torch.func differentiates a sequence once; for second derivatives use "
            "torch.autograd.grad with create_graph=True, or loop(cell.step, …)"
        )


def _one_by_one(operation: Any) -> Any:
    """A rule of vmap: each index by itself."""

    def rule(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        def at(argument: Any, dim: Any, k: int) -> Any:
            if isinstance(argument, list | tuple):
                dims = dim if isinstance(dim, list | tuple) else [dim] * len(argument)
                return [at(one, each, k) for one, each in zip(argument, dims, strict=True)]
            return argument if dim is None else argument.select(dim, k)

        results = [
            operation(*(at(one, dim, k) for one, dim in zip(arguments, in_dims, strict=True)))
            for k in range(info.batch_size)
        ]
        stacked = [torch.stack(parts) for parts in zip(*results, strict=True)]
        return stacked, [0] * len(stacked)

    return rule


for _operation in (infer, train, backward):
    _operation.register_vmap(_one_by_one(_operation))
