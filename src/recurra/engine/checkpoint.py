"""Less memory for more time: pieces of a sequence that are run again in the backward."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from recurra.engine.tree import Tree, leaves, refill


def in_pieces(
    run: Callable[..., tuple[Tensor, Any]],
    size: int,
    x: Tree,
    state: Tree,
    context: Tree,
    lengths: Tensor | None,
    reset: Tensor | None,
    initial: Tree,
) -> tuple[Tensor, Tree]:
    """As `run`, keeping the states between pieces of so many steps alone."""
    # One split, not many slices: its gradient is one tensor, not one of full size a piece.
    columns = [torch.split(leaf, size, dim=1) for leaf in leaves(x)]
    resets = [None] * len(columns[0]) if reset is None else torch.split(reset, size, dim=1)
    ys = []
    for k, part in enumerate(zip(*columns, strict=True)):

        def piece(
            part: tuple[Tensor, ...], state: Tree, left: Tensor | None, reset: Tensor | None
        ) -> tuple[Tensor, Tree]:
            return run(refill(x, part), state, context, lengths=left, reset=reset, initial=initial)

        left = None if lengths is None else (lengths - k * size).clamp(0, part[0].shape[1])
        given = (part, state, left, resets[k])
        # A step draws nothing: noise comes in with the context.
        y, state = checkpoint(piece, *given, use_reentrant=False, preserve_rng_state=False)
        ys.append(y)
    return torch.cat(ys, dim=1), state
