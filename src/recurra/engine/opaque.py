"""A run where another machine looks on: torch.compile and the transforms of torch.func.

Both see tensors of their own in place of ours. What only a shape decides is done here behind their
backs, and the run itself is one operation of `ops`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from recurra.engine import ops
from recurra.engine.traced import outline, plain_settings, resetting, tensors_of, traced
from recurra.engine.tree import Tree, dtype_of, leaves, refill

F = TypeVar("F", bound=Callable[..., Any])
Function = Callable[..., tuple[Tensor, Any]]


def watched() -> bool:
    """Whether a compiler or a transform looks on."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def run(
    module: nn.Module,
    function: Function,
    x: Tree,
    state: Tree,
    context: Tree,
    lengths: Tensor | None,
    reverse: bool,
    *,
    resets: bool,
) -> tuple[Tensor, Tree] | None:
    """The outputs and the last state; None where the step cannot be traced.

    Args:
        resets: the function is that of `resetting`.
    """
    weights = tensors_of(module)
    outlines = [outline(x, 2), outline(state), outline(context)]
    shapes = [(key, (tuple(each.shape), each.dtype)) for key, each in weights.items()]
    settings = [getattr(part, key) for part in module.modules() for key in _setting_names(part)]
    name = _name(module, function, resets, shapes, outlines, settings)
    if not name:
        return None
    dtype = dtype_of(state, x)
    tensors = [*weights.values(), *leaves(x), *leaves(state), *leaves(context)]
    tensors = [each.to(dtype) if each.dtype == torch.bool else each for each in tensors]
    needs = [_needs(each) for each in tensors]
    if not torch.is_grad_enabled() or not any(needs):
        y, *last = ops.infer(tensors, lengths, name, reverse)
    elif torch.compiler.is_compiling():
        y, *last, _ = ops.train(tensors, lengths, name, reverse, needs)
    else:
        made = ops.Transformed.apply(lengths, name, reverse, needs, *tensors)
        y, *last, _ = made
    return y, refill(state, last)


def _constant(function: F) -> F:
    """`torch.compiler.assume_constant_result`, without the second that its import takes."""
    marked: Any = function
    marked._dynamo_marked_constant = True
    return function


@_constant
def _setting_names(part: nn.Module) -> tuple[str, ...]:
    return plain_settings(part)


@_constant
def _name(
    module: nn.Module,
    function: Function,
    resets: bool,
    shapes: list[Any],
    outlines: list[Any],
    settings: list[Any],
) -> str:
    """The name of the plan; nothing where there is none.

    Args:
        settings: unread: a compiler that sees them come in compiles anew when they change.
    """
    with ops.unwatched():
        weights = {key: _blank(each, 0) for key, each in shapes}
        x, state, context = (
            _blank(each, lead) for each, lead in zip(outlines, (2, 1, 1), strict=True)
        )
        step = resetting(function) if resets else function
        found = traced(module, step, weights, x, state, context)
        if isinstance(found, str):
            return ""
        dtype = dtype_of(state, x)
        counts = (len(weights), len(leaves(x)), len(leaves(state)), len(leaves(context)))
        return ops.name_of(found, dtype, counts)


def _blank(outline_: Any, lead: int) -> Tree:
    """A tree of zeros that has this outline."""
    if outline_ is None:
        return None
    first, *parts = outline_
    if isinstance(first, type):
        made = (_blank(part, lead) for part in parts)
        return first(*made) if hasattr(first, "_fields") else tuple(made)
    return torch.zeros((1,) * lead + tuple(first), dtype=parts[0])


def _needs(tensor: Tensor) -> bool:
    """Whether a gradient may be asked for, of the tensor or of what a transform wrapped."""
    if tensor.requires_grad or torch.compiler.is_compiling():
        return tensor.requires_grad
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
        if tensor.requires_grad:
            return True
    return False
