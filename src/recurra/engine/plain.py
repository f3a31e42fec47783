"""A step over time in plain torch, one operation after another: it runs where nothing else can."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from recurra.engine.tree import Tree, clear, fresh, leaves, tree_map, unbind, where

State = TypeVar("State", bound=tuple[Any, ...])
Step: TypeAlias = Callable[[Any, Any, Any], tuple[Tensor, Any]]


def loop(
    step: Step, x: Tree, state: State, context: Tree = None
) -> tuple[Shaped[Tensor, "B T ..."], State]:
    """Take one step after another: the definition.

    Args:
        step: `(x_t, state, context) -> (y_t, state)`, on tensors (B, …).
        x: tensor (B, T, …), or a NamedTuple of them.
        state: what the first step starts from.
        context: what every step sees.
    """
    steps = unbind(x)
    if not steps:
        return _no_steps(step, x, state, context), state
    ys = []
    for x_t in steps:
        y, state = step(x_t, state, context)
        ys.append(y)
    return torch.stack(ys, dim=1), state


def ragged(
    step: Step,
    x: Tree,
    state: State,
    context: Tree = None,
    lengths: Int64[Tensor, " B"] | None = None,
    reset: Bool[Tensor, "B T"] | None = None,
    initial: State | None = None,
) -> tuple[Shaped[Tensor, "B T ..."], State]:
    """As `loop`, with rows that end, or begin anew; see `run`."""
    state = fresh(state)
    T = leaves(x)[0].shape[1]
    shortest = longest = T
    alive = None
    if lengths is not None and len(lengths):
        shortest, longest = int(lengths.min()), int(lengths.max())
        alive = torch.arange(T, device=lengths.device) < lengths[:, None]  # (B, T)
        x = tree_map(lambda leaf: leaf[:, :longest], clear(~alive, x))
        reset = None if reset is None else (reset & alive)[:, :longest]
    if longest == 0:
        return _pad(_no_steps(step, x, state, context), T), state

    ys = []
    for t, (x_t, begins) in enumerate(zip(unbind(x), _resets(reset, longest), strict=True)):
        if begins is not None:
            state = where(begins, initial, state)
        # Bits of a product depend on where its operands lie: equal places give equal bits.
        y, new = step(fresh(x_t), fresh(state), context)
        # A finished row keeps its state; `where` stops its gradient too.
        state = new if alive is None or t < shortest else where(alive[:, t], new, state)
        ys.append(y)
    y = torch.stack(ys, dim=1)
    if alive is not None and shortest < T:
        y = _pad(clear(~alive[:, :longest], y), T)
    return y, state


def _resets(reset: Tensor | None, T: int) -> list[Tensor | None]:
    """For each step the rows that begin anew; None where none does."""
    if reset is None:
        return [None] * T
    some = reset.any(dim=0).tolist()
    return [rows if any_ else None for rows, any_ in zip(reset.unbind(1), some, strict=True)]


def _no_steps(step: Step, x: Tree, state: State, context: Tree) -> Tensor:
    """An output (B, 0, …): only a step knows its shape, so take one on zeros and keep nothing."""
    zeros = tree_map(lambda leaf: leaf.new_zeros(leaf.shape[0], *leaf.shape[2:]), x)
    y, _ = step(zeros, state, context)
    return y[:, None][:, :0]


def _pad(y: Tensor, T: int) -> Tensor:
    missing = T - y.shape[1]
    return torch.cat([y, y.new_zeros(y.shape[0], missing, *y.shape[2:])], dim=1) if missing else y
