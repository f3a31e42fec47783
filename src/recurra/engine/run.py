"""One step, over all time.

    y_t, s_t = step(x_t, s_{t-1}, context)      t = 1 … T

`loop` is the definition. `run` gives the same numbers faster: it traces the step once and runs its
plan natively, or in plain torch where the library cannot.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor, nn

from recurra.engine import opaque, plain
from recurra.engine.autograd import Call, serve
from recurra.engine.checkpoint import in_pieces
from recurra.engine.place import NotNativeError
from recurra.engine.plain import Step
from recurra.engine.reverse import reverse as flip
from recurra.engine.reverse import reverse_reset
from recurra.engine.rows import Rows, rows_of
from recurra.engine.say import say_plain
from recurra.engine.traced import resetting, tensors_of, traced
from recurra.engine.tree import Tree, dtype_of, leaves, refill
from recurra.errors import OptionError

State = TypeVar("State", bound=tuple[Any, ...])
Function = Callable[..., tuple[Tensor, Any]]


def run(
    step: Step,
    x: Tree,
    state: State,
    context: Tree = None,
    *,
    lengths: Int64[Tensor, " B"] | None = None,
    reset: Bool[Tensor, "B T"] | None = None,
    initial: State | None = None,
    reverse: bool = False,
    checkpoint: int | None = None,
    weights: torch.dtype | None = None,
) -> tuple[Shaped[Tensor, "B T ..."], State]:
    """Run a step over time.

    Args:
        step: `(x_t, state, context) -> (y_t, state)`, on tensors (B, …). The method of a module
            runs natively; of a function alone, nobody could know the parameters.
        x: tensor (B, T, …), or a NamedTuple of them. What stands past a row's length is not read.
        state: what the first step starts from.
        context: what every step sees.
        lengths: true steps per row, each in 0 … T; all T when not given.
        reset: where the state becomes `initial` before the step; with `reverse` where a sequence
            begins in original time, each of which is run from its end.
        initial: the state of a new sequence; needed with `reset`.
        reverse: run each row from its last true step to its first; outputs stay at their steps.
        checkpoint: keep every so many-th state alone for the backward, and compute again what lies
            between; the same numbers for less memory. Everything is kept when not given.
        weights: torch.bfloat16 rounds the matrices of products to it, in inference: a wide cell
            reads half the memory. All sums are still float32.

    Raises:
        OptionError: checkpoint is below 1, or weights do not fit the step or the call.
        StepError: the step mixes rows, or looks at values.
    """
    if checkpoint is not None and checkpoint < 1:
        raise OptionError(f"run: checkpoint is {checkpoint}, it must be at least 1")
    device = leaves(x)[0].device.type
    if autocasts(device):
        # A rounding at every step adds up over time: a recurrence runs in its cell's own type.
        with torch.autocast(device, enabled=False):
            return run(
                step,
                x,
                state,
                context,
                lengths=lengths,
                reset=reset,
                initial=initial,
                reverse=reverse,
                checkpoint=checkpoint,
                weights=weights,
            )
    method = method_of(step, x, state, context)
    if weights is not None:
        _check_weights(weights, method, x, state, context)
    pieces = checkpoint is not None and torch.is_grad_enabled()
    if reverse and (reset is not None or pieces):
        y, state = run(
            step,
            flip(x, lengths),
            state,
            context,
            lengths=lengths,
            reset=reverse_reset(reset, lengths),
            initial=initial,
            checkpoint=checkpoint,
            weights=weights,
        )
        return flip(y, lengths), state
    if pieces and checkpoint is not None and leaves(x)[0].shape[1] > checkpoint:
        part = partial(run, step, weights=weights)
        return in_pieces(part, checkpoint, x, state, context, lengths, reset, initial)
    if method is not None:
        module, function = method
        given = (x, state, context)
        if reset is not None:
            given = ((x, reset), state, (context, initial))
        if opaque.watched():
            found = opaque.run(module, function, *given, lengths, reverse, resets=reset is not None)
            if found is not None:
                return found
            return _plainly(step, x, state, context, lengths, reset, initial, reverse)
        function = function if reset is None else resetting(function)
        try:
            B, T = leaves(x)[0].shape[:2]
            rows = rows_of(B, T, lengths, reverse)
            return _traced(module, function, *given, rows, half=weights is not None)
        except NotNativeError as reason:
            if weights is not None:
                raise OptionError(f"run: weights is {weights}, but {reason}") from None
            say_plain(type(module).__name__, reason)
    return _plainly(step, x, state, context, lengths, reset, initial, reverse)


def autocasts(device: str) -> bool:
    """Whether autocast is on for this kind of device."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _check_weights(
    weights: torch.dtype, method: tuple[nn.Module, Function] | None, x: Tree, state: Tree, ctx: Tree
) -> None:
    given = [*leaves(x), *leaves(state), *leaves(ctx)]
    others = {each.dtype for each in given if each.is_floating_point()} - {torch.float32}
    if weights != torch.bfloat16:
        raise OptionError(f"run: weights is {weights}, torch.bfloat16 fits, or None")
    if others:
        raise OptionError(f"run: weights is {weights} beside {others.pop()}, float32 fits there")
    if opaque.watched():
        raise OptionError(
            f"run: weights is {weights}, None fits under torch.compile and torch.func"
        )
    if method is None and 0 not in leaves(x)[0].shape[:2]:
        raise OptionError(
            f"run: weights is {weights}, a step fits that is the method of a module, on the CPU"
        )
    given += [] if method is None else tensors_of(method[0]).values()
    if torch.is_grad_enabled() and any(each.requires_grad for each in given):
        raise OptionError(
            f"run: weights is {weights} and a gradient is asked for, which torch.no_grad() ends"
        )


def _plainly(
    step: Step,
    x: Tree,
    state: State,
    context: Tree,
    lengths: Tensor | None,
    reset: Tensor | None,
    initial: State | None,
    reverse: bool,
) -> tuple[Tensor, State]:
    if not reverse:
        return plain.ragged(step, x, state, context, lengths, reset, initial)
    y, state = plain.ragged(step, flip(x, lengths), state, context, lengths, reset, initial)
    turned: Tensor = flip(y, lengths)
    return turned, state


def method_of(step: Step, x: Tree, state: Tree, context: Tree) -> tuple[nn.Module, Function] | None:
    """The module and the function of a step that can be traced."""
    if not inspect.ismethod(step):
        return None
    module = step.__self__
    first = leaves(x)[0]
    if not isinstance(module, nn.Module) or 0 in first.shape[:2]:
        return None
    held = leaves(state)
    dtype = dtype_of(state, x)
    if dtype not in (torch.float32, torch.float64):
        return None
    for each in (*leaves(x), *held, *leaves(context)):
        plain_tensor = type(each) in (Tensor, nn.Parameter) and each.is_cpu
        if not plain_tensor or each.dtype not in (dtype, torch.bool):
            return None
    return module, step.__func__


def _traced(
    module: nn.Module,
    function: Function,
    x: Tree,
    state: State,
    context: Tree,
    rows: Rows,
    *,
    half: bool,
) -> tuple[Tensor, State]:
    call, tensors = call_of(module, function, x, state, context, rows, half=half)
    y, *last = serve(call, tensors)
    return y, refill(state, last)


def call_of(
    module: nn.Module,
    function: Function,
    x: Tree,
    state: Tree,
    context: Tree,
    rows: Rows,
    *,
    half: bool = False,
    parameters: Mapping[str, Tensor] | None = None,
) -> tuple[Call, list[Tensor]]:
    """One sequence of a step, and its tensors in the order that the call counts them.

    Truth values become numbers.

    Args:
        parameters: what stands in the place of the module's own, each under its name.

    Raises:
        NotNativeError: the step cannot be traced.
    """
    tensors = tensors_of(module) if parameters is None else dict(parameters)
    found = traced(module, function, tensors, x, state, context)
    if isinstance(found, str):
        raise NotNativeError(found)
    inputs, states, contexts = leaves(x), leaves(state), leaves(context)
    counts = (len(tensors), len(inputs), len(states), len(contexts))
    dtype = dtype_of(state, x)
    listed = [*tensors.values(), *inputs, *states, *contexts]
    listed = [each.to(dtype) if each.dtype == torch.bool else each for each in listed]
    return Call(found, dtype, rows, counts, type(module).__name__, half), listed
