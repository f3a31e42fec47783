"""One step, over all time.

    y_t, s_t = step(x_t, s_{t-1}, context)      t = 1 … T

`loop` is the definition. `run` gives the same numbers faster, over ragged batches and over several
sequences in one row; every other way of running a step is held against `loop`.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from recurra.engine.tree import Tree, clear, fresh, leaves, tree_map, unbind, where

State = TypeVar("State", bound=tuple[Any, ...])
Step: TypeAlias = Callable[[Tree, Any, Tree], tuple[Tensor, Any]]


def loop(
    step: Step, x: Tree, state: State, context: Tree = None
) -> tuple[Shaped[Tensor, "B T ..."], State]:
    """Take one step after another.

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


def run(
    step: Step,
    x: Tree,
    state: State,
    context: Tree = None,
    *,
    prepare: Callable[[Tree], Tree] | None = None,
    lengths: Int64[Tensor, " B"] | None = None,
    reset: Bool[Tensor, "B T"] | None = None,
    initial: State | None = None,
) -> tuple[Shaped[Tensor, "B T ..."], State]:
    """Run a step over time.

    Args:
        step: `(x_t, state, context) -> (y_t, state)`, on tensors (B, …).
        x: tensor (B, T, …), or a NamedTuple of them. What stands past a row's length is not read.
        state: what the first step starts from.
        context: what every step sees.
        prepare: the part of the work that looks at x alone; takes any leading dimensions, and
            `step` then gets what it returns instead of x.
        lengths: true steps per row, each in 0 … T; all T when not given.
        reset: where the state becomes `initial` before the step.
        initial: the state of a new sequence; needed with `reset`.
    """
    state = fresh(state)
    if prepare is not None and not torch.is_grad_enabled():
        step, prepare = _prepared(step, prepare), None
    T = leaves(x)[0].shape[1]
    shortest = longest = T
    alive = None
    if lengths is not None and len(lengths):
        shortest, longest = int(lengths.min()), int(lengths.max())
        alive = torch.arange(T, device=lengths.device) < lengths[:, None]  # (B, T)
        x = tree_map(lambda leaf: leaf[:, :longest], clear(~alive, x))
        reset = None if reset is None else (reset & alive)[:, :longest]
    u = x if prepare is None else prepare(x)
    if longest == 0:
        return _pad(_no_steps(step, u, state, context), T), state

    ys = []
    for t, (u_t, begins) in enumerate(zip(unbind(u), _resets(reset, longest), strict=True)):
        if begins is not None:
            state = where(begins, initial, state)
        y, new = step(fresh(u_t), state, context)
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


def _prepared(step: Step, prepare: Callable[[Tree], Tree]) -> Step:
    """Both in one, for inference.

    One product over all time rounds otherwise than one per step, and chunked, whole and streamed
    are promised to agree bit for bit; so the product leaves the loop only where autograd records.
    """
    return lambda x, state, context: step(prepare(x), state, context)


def _no_steps(step: Step, x: Tree, state: State, context: Tree) -> Tensor:
    """An output (B, 0, …): only a step knows its shape, so take one on zeros and keep nothing."""
    zeros = tree_map(lambda leaf: leaf.new_zeros(leaf.shape[0], *leaf.shape[2:]), x)
    y, _ = step(zeros, state, context)
    return y[:, None][:, :0]


def _pad(y: Tensor, T: int) -> Tensor:
    missing = T - y.shape[1]
    return torch.cat([y, y.new_zeros(y.shape[0], missing, *y.shape[2:])], dim=1) if missing else y
