"""Time backwards, each row by its own length."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from recurra.engine.tree import Tree, tree_map


def reverse(x: Tree, lengths: Int64[Tensor, " B"] | None = None) -> Tree:
    """Flip the true steps of every tensor (B, T, …); padding stays where it is."""
    if lengths is None:
        return tree_map(lambda leaf: leaf.flip(1), x)
    return tree_map(lambda leaf: _reverse_rows(leaf, lengths), x)


def reverse_reset(
    reset: Bool[Tensor, "B T"] | None, lengths: Int64[Tensor, " B"] | None = None
) -> Bool[Tensor, "B T"] | None:
    """Where a sequence begins when time runs backwards.

    A piece that begins at t ends the one before it at t-1, and backwards that end comes first.
    """
    if reset is None:
        return None
    t = torch.arange(reset.shape[1], device=reset.device)
    inner = reset & (t > 0)
    if lengths is not None:
        # A piece that would begin right after a row's last step is not there.
        inner = inner & (t < lengths[:, None])
    backwards: Tensor = reverse(inner.roll(-1, dims=1), lengths)
    return backwards


def _reverse_rows(x: Tensor, lengths: Tensor) -> Tensor:
    t = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - t  # (B, T)
    index = torch.where(mirrored < 0, t, mirrored)
    return x.take_along_dim(index.view(*index.shape, *[1] * (x.ndim - 2)), dim=1)
