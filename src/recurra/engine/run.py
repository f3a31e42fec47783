"""One step, over all time.

    y_t, s_t = step(x_t, s_{t-1}, context)      t = 1 … T

`loop` is the definition. `run` gives the same numbers faster: it traces the step once and runs its
plan natively, or in plain torch where the library cannot.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MethodType
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor, nn

from recurra.engine import native, opaque, plain
from recurra.engine.autograd import serve
from recurra.engine.call import Call
from recurra.engine.checkpoint import in_pieces
from recurra.engine.look import TENSORS, Given, recall, remember
from recurra.engine.place import NotNativeError
from recurra.engine.plain import Step
from recurra.engine.program import Packing
from recurra.engine.reverse import reverse as flip
from recurra.engine.reverse import reverse_reset
from recurra.engine.rows import Rows, rows_over
from recurra.engine.say import say_plain
from recurra.engine.shared import taken
from recurra.engine.traced import Traced, resetting, tensors_of, traced
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

    Under autocast to bfloat16, where the processor multiplies tiles, products are of operands
    rounded to it, forward and backward; sums and everything else stay float32. Elsewhere a step
    runs as without autocast.

    Raises:
        OptionError: checkpoint is below 1, or weights do not fit the step or the call.
        StepError: the step mixes rows, or looks at values.
    """
    if checkpoint is not None and checkpoint < 1:
        raise OptionError(f"run: checkpoint is {checkpoint}, it must be at least 1")
    device = leaves(x)[0].device.type
    if weights is not None:
        _check_weights(weights, step, x, state, context)
    packing = tiling(device) if weights is None else Packing.HALF
    given = (step, x, state, context, lengths, reset, initial, reverse, checkpoint, packing)
    if not autocasts(device):
        return _run(*given)
    # A state that is rounded at every step would drift: it stays in its cell's own type.
    with torch.autocast(device, enabled=False):
        return _run(*given)


def _run(
    step: Step,
    x: Tree,
    state: State,
    context: Tree,
    lengths: Tensor | None,
    reset: Tensor | None,
    initial: State | None,
    reverse: bool,
    checkpoint: int | None,
    packing: Packing,
) -> tuple[Tensor, State]:
    """`run` outside of autocast."""
    pieces = checkpoint is not None and torch.is_grad_enabled()
    if reverse and (reset is not None or pieces):
        turned = reverse_reset(reset, lengths)
        given = (step, flip(x, lengths), state, context, lengths, turned, initial, False)
        y, state = _run(*given, checkpoint, packing)
        return flip(y, lengths), state
    if pieces and checkpoint is not None and leaves(x)[0].shape[1] > checkpoint:
        part = partial(_run, step, reverse=False, checkpoint=None, packing=packing)
        return in_pieces(part, checkpoint, x, state, context, lengths, reset, initial)
    if opaque.watched():
        found = _watched(step, x, state, context, lengths, reset, initial, reverse)
    else:
        given = (step, x, state, context, lengths, reset, initial, reverse)
        found = _traced(*given, packing)
    if found is None:
        return _plainly(step, x, state, context, lengths, reset, initial, reverse)
    return found


def autocasts(device: str) -> bool:
    """Whether autocast is on for this kind of device."""
    # Every torch has it on the CPU, and this is asked at every call.
    known = device == "cpu" or torch.amp.is_autocast_available(device)
    return known and torch.is_autocast_enabled(device)


def tiling(device: str) -> Packing:
    """How products are computed: on tiles where there are any and autocast asks for bfloat16."""
    asked = autocasts(device) and torch.get_autocast_dtype(device) == torch.bfloat16
    return Packing.TILES if asked and device == "cpu" and native.tiles() else Packing.FULL


def _check_weights(weights: torch.dtype, step: Step, x: Tree, state: Tree, ctx: Tree) -> None:
    method = method_of(step, x, state, ctx)
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
        plain_tensor = type(each) in TENSORS and each.is_cpu
        if not plain_tensor or each.dtype not in (dtype, torch.bool):
            return None
    return module, step.__func__


def _watched(
    step: Step,
    x: Tree,
    state: State,
    context: Tree,
    lengths: Tensor | None,
    reset: Tensor | None,
    initial: State | None,
    reverse: bool,
) -> tuple[Tensor, State] | None:
    method = method_of(step, x, state, context)
    if method is None or taken(context)[0]:
        return None
    if reset is not None:
        x, context = (x, reset), (context, initial)
    resets = reset is not None
    return opaque.run(*method, x, state, context, lengths, reverse, resets=resets)


def _traced(
    step: Step,
    x: Tree,
    state: State,
    context: Tree,
    lengths: Tensor | None,
    reset: Tensor | None,
    initial: State | None,
    reverse: bool,
    packing: Packing,
) -> tuple[Tensor, State] | None:
    """The outputs and the last state; None where the step runs in plain torch."""
    rows = rows_over(x, lengths, reverse)
    resets = reset is not None
    if resets:
        x, context = (x, reset), (context, initial)
    try:
        made = call_of(step, x, state, context, rows, packing=packing, resets=resets)
        if made is None:
            return None
        y, *last = serve(*made)
    except NotNativeError as reason:
        if packing is Packing.HALF:
            raise OptionError(f"run: weights is {torch.bfloat16}, but {reason}") from None
        say_plain(type(cast(MethodType, step).__self__).__name__, reason)
        return None
    return y, refill(state, last)


def call_of(
    step: Step,
    x: Tree,
    state: Tree,
    context: Tree,
    rows: Rows | None,
    *,
    packing: Packing = Packing.FULL,
    resets: bool = False,
    parameters: Mapping[str, Tensor] | None = None,
) -> tuple[Call, list[Tensor]] | None:
    """One sequence of a step, and its tensors in the order that the call counts them.

    Truth values become numbers. None where the step runs in plain torch without a word.

    Args:
        rows: None where nothing runs natively.
        packing: of the matrices; tiles are for float32 alone.
        resets: x and context are those of `resetting`.
        parameters: what stands in the place of the module's own, each under its name.

    Raises:
        NotNativeError: the step cannot be traced.
    """
    if rows is None or not inspect.ismethod(step) or not isinstance(step.__self__, nn.Module):
        return None
    module, function = step.__self__, resetting(step.__func__) if resets else step.__func__
    named = tensors_of(module) if parameters is None else parameters
    shared, context = taken(context)
    named = {**named, **shared} if shared else named
    given = Given(named, x, state, context)
    found: Traced | None = recall(module, function, given)
    listed = given.tensors
    if found is None:
        if method_of(step, x, state, context) is None:
            return None
        made = traced(module, function, dict(named), x, state, context)
        if isinstance(made, str):
            raise NotNativeError(made)
        remember(module, function, given, found := made)
        listed = [*named.values(), *leaves(x), *leaves(state), *leaves(context)]
    if found.truths:
        listed = [each.to(found.dtype) if each.dtype == torch.bool else each for each in listed]
    if packing is Packing.TILES and found.dtype != torch.float32:
        packing = Packing.FULL
    return Call(found, rows, type(module).__name__, packing), listed
