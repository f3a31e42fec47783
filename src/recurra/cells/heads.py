"""Heads, and the norms that are taken a head."""

import torch
from torch import Tensor

from recurra.cells.check import positive
from recurra.errors import OptionError

MOST = 64  # the widest head that `count` chooses


def count(where: str, width: int, num_heads: int | None) -> int:
    """The number of heads; as few as make them equal and at most MOST wide, when not given.

    Raises:
        OptionError: the heads do not divide the width.
    """
    if num_heads is None:
        return next(N for N in range(1, width + 1) if width % N == 0 and width // N <= MOST)
    positive(where, num_heads=num_heads)
    if width % num_heads:
        raise OptionError(f"{where}: num_heads is {num_heads}, a divisor of {width} fits")
    return num_heads


def divided(x: Tensor, *parts: int) -> Tensor:
    """The last dimension as parts of equal width, such as heads: (…, N V) as (…, N, V)."""
    apart: Tensor = x.unflatten(-1, (*parts, -1))
    return apart


def unit(x: Tensor, eps: float = 1e-6) -> Tensor:
    """Of length 1 over the last dimension."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)


def even(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Of mean square 1 over the last dimension, then weighed.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019, arXiv:1910.07467.
    """
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight
