"""The k largest scores of each row, of equals the lower number, without a sort of the row.

The columns of a row are dealt into M blocks. The k largest numbers of a row lie in the k blocks
whose own largest are largest; so one pass finds the largest of each block, and only k blocks are
looked into. Which of equal numbers such a search meets is chance: where the number behind the k-th
is as large, the row is sorted.
"""

from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

Each = TypeVar("Each", bound=np.generic)
# Blocks for each of the k: torch's search for so few among so many is its fast one.
BLOCKS = 64
# Rows that would have fewer columns a block are searched whole.
DEEP = 4


def likeliest(
    scores: Float[Tensor, "N V"], k: int
) -> tuple[Float[np.ndarray, "N K"], Int[np.ndarray, "N K"]]:
    """Scores and their columns, largest first; K = min(k, V). What is no number comes first."""
    width = scores.shape[1]
    k = min(k, width)
    found, columns = _largest(scores, min(k + 1, width))
    values, ids = _in_order(found.double().cpu().numpy(), columns.cpu().numpy())
    if k < width:
        tied = (values[:, k - 1] == values[:, k]) & (values[:, k] > -np.inf)
        if tied.any():
            values[tied], ids[tied] = _sorted(scores[torch.from_numpy(tied)], k + 1)
    return values[:, :k], ids[:, :k]


def along(values: NDArray[Each], places: NDArray[np.int64]) -> NDArray[Each]:
    """What stands at some places of each row: `np.take_along_axis`, faster where rows are few."""
    return values[np.arange(len(values))[:, None], places]


def _largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """In no order that equals could trust."""
    width = scores.shape[1]
    deep = width // (BLOCKS * k)
    if deep < DEEP:
        return scores.topk(k)
    blocks = width // deep
    tops = scores[:, : deep * blocks].unflatten(1, (deep, blocks)).amax(1).topk(k, sorted=False)[1]
    steps = torch.arange(0, deep * blocks, blocks, device=scores.device)
    rest = torch.arange(deep * blocks, width, device=scores.device)
    inside = (tops[:, None] + steps[:, None]).flatten(1)
    columns = torch.cat([inside, rest.expand(len(scores), -1)], 1)
    found, places = scores.gather(1, columns).topk(k)
    return found, columns.gather(1, places)


def _in_order(
    values: NDArray[np.float64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    order = np.lexsort((ids, _falling(values)))
    return along(values, order), along(ids, order)


def _sorted(scores: Tensor, k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values = scores.double().cpu().numpy()
    ids = np.argsort(_falling(values), axis=1, kind="stable")[:, :k]
    return along(values, ids), ids


def _falling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a sort that rises brings into the order asked for."""
    return np.where(np.isnan(values), -np.inf, -values)
