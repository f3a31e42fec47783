"""Shuffling what does not fit into memory: whole blocks at random, and the items of a few of them.

Blocks come in a random order; a few at a time lie together in a pool, and its items come in a
random order. So reading stays within a few blocks, and every item comes once. What a pool holds
depends on seed, epoch and the pool's number alone: one may begin anywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.errors import OptionError

Indices = NDArray[np.int64]
# Blocks in a pool when nothing is said: neighbours in the data rarely meet in one batch.
TOGETHER = 16


@dataclass(frozen=True)
class Pool:
    """A few blocks, and the order of their items.

    Args:
        blocks: their numbers, ascending, so that a file is read forwards.
        order: the items wanted, as places in these blocks laid end to end.
    """

    blocks: Indices
    order: Indices


def pools(
    sizes: Sequence[int] | Indices,
    seed: int,
    epoch: int,
    *,
    together: int = TOGETHER,
    begin: int = 0,
) -> Iterator[Pool]:
    """Blocks of any sizes in a random order, the same for the same seed and epoch.

    Args:
        sizes: items in each block.
        seed: at least 0.
        epoch: at least 0.
        together: blocks whose items are mixed.
        begin: items that are done; nothing is made of what lies before.

    Raises:
        OptionError: an argument does not fit.
    """
    sizes = np.asarray(sizes, np.int64)
    _check(seed=seed, epoch=epoch, begin=begin)
    if together < 1:
        raise OptionError(f"shuffle: together is {together}; a pool takes at least one block")
    order = _generator(seed, epoch, 0).permutation(len(sizes))
    return _pools(sizes, order, seed, epoch, together, begin)


def _pools(
    sizes: Indices, order: Indices, seed: int, epoch: int, together: int, begin: int
) -> Iterator[Pool]:
    for number, first in enumerate(range(0, len(order), together), start=1):
        blocks = np.sort(order[first : first + together])
        count = int(sizes[blocks].sum())
        if begin < count:
            yield Pool(blocks, _generator(seed, epoch, number).permutation(count)[begin:])
        begin = max(0, begin - count)


def block_order(
    count: int, block: int, seed: int, epoch: int, *, together: int = TOGETHER, begin: int = 0
) -> Iterator[Indices]:
    """The numbers 0 … count - 1, each once, an array a pool.

    Args:
        count: items.
        block: items that lie side by side, in each block but the last.
        seed: at least 0.
        epoch: at least 0; every one has an order of its own.
        together: blocks whose items are mixed.
        begin: items that are done; what comes is what came after them.

    Raises:
        OptionError: an argument does not fit.
    """
    _check(count=count)
    if block < 1:
        raise OptionError(f"shuffle: block is {block}; it holds at least one item")
    starts = np.arange(0, count, block)
    sizes = np.minimum(block, count - starts)
    found = pools(sizes, seed, epoch, together=together, begin=begin)
    return (_items(starts[pool.blocks], sizes[pool.blocks])[pool.order] for pool in found)


def _items(starts: Indices, sizes: Indices) -> Indices:
    """Everything in some blocks, one after the other."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(sizes.sum())


def _check(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 0:
            raise OptionError(f"shuffle: {name} is {value}; it is at least 0")


def _generator(seed: int, epoch: int, part: int) -> np.random.Generator:
    return np.random.default_rng((seed, epoch, part))
