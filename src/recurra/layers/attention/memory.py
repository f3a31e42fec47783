"""What is attended to, and how shares of it are taken."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recurra.errors import ShapeError


class Memory(NamedTuple):
    """What a decoder reads: S places for each row.

    `there` says which are filled; all are when it is None. What stands elsewhere has no influence.
    """

    values: Float[Tensor, "B S E"]
    there: Bool[Tensor, "B S"] | None = None


class Prepared(NamedTuple):
    """A memory, and what an attention makes of it once a sequence.

    `values` are 0 where nothing is there. `noise` is drawn once a sequence, for what has any.
    """

    values: Float[Tensor, "B S E"]
    keys: Any
    there: Bool[Tensor, "B S"] | None
    noise: Any = None


def cleared(memory: Memory) -> Tensor:
    """The values, and 0 where none is there."""
    if memory.there is None:
        return memory.values
    return torch.where(memory.there[..., None], memory.values, torch.zeros_like(memory.values))


def shares_of(scores: Tensor, there: Tensor | None) -> Tensor:
    """The softmax over the last dimension, of what is there: 0 elsewhere, and where nothing is.

    Args:
        scores: (B, S), or (B, N, S).
        there: (B, S).
    """
    if there is None:
        return torch.softmax(scores, -1)
    seen = there if scores.ndim == there.ndim else there[:, None]
    # A row without any place is even here; no number is -inf, so that it is not NaN.
    low = torch.finfo(scores.dtype).min
    even = torch.softmax(torch.where(seen, scores, torch.full_like(scores, low)), -1)
    return torch.where(seen, even, torch.zeros_like(even))


def read(shares: Tensor, values: Tensor) -> Tensor:
    """Σ_j shares_j values_j, (B, E)."""
    return torch.einsum("bs,bse->be", shares, values)


def filled(shares: Tensor, places: int) -> Tensor:
    """Shares (B, S) with 0 for the places that a memory does not have, (B, places)."""
    more = places - shares.shape[1]
    if more == 0:
        return shares
    return torch.cat([shares, torch.zeros_like(shares[:, :1]).expand(-1, more)], 1)


def check_places(where: str, came: int, most: int) -> None:
    """Refuse a memory of more places than a state has numbers for.

    Raises:
        ShapeError: naming both.
    """
    if came > most:
        raise ShapeError(f"{where}: the memory has {came} places, the most are {most}")
