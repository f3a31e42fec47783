"""Batches of rows of like length, so that little of them is padding."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, OptionError

Indices = NDArray[np.int64]
# Rows that are sorted together: enough for lengths to be alike, few enough to meet others each
# epoch.
POOL = 8192


def buckets(
    lengths: Sequence[int] | Indices,
    *,
    batch_size: int | None = None,
    tokens: int | None = None,
    seed: int,
    epoch: int,
    pool: int = POOL,
) -> list[Indices]:
    """The numbers of the rows of each batch: every row once, neighbours in length together.

    Rows are shuffled and cut into pools; each pool is sorted by length and cut into batches; these
    are shuffled. How many batches there are depends on `lengths` and `batch_size` alone; under
    `tokens` it may differ from epoch to epoch, unless one pool holds all rows.

    Args:
        lengths: true steps of each row.
        batch_size: most rows in a batch.
        tokens: most steps in a batch, padding included: its rows times its longest row.
        seed: at least 0.
        epoch: at least 0; every one has batches of its own.
        pool: rows that are sorted together.

    Raises:
        OptionError: an argument does not fit, or neither limit is given.
        DataError: a length is negative, or a row alone is longer than `tokens`.
    """
    lengths = np.asarray(lengths, np.int64)
    _check_options(batch_size, tokens, seed, epoch, pool)
    _check_lengths(lengths, tokens)
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    found: list[Indices] = []
    for first in range(0, len(order), pool):
        rows = order[first : first + pool]
        # Stable: rows of one length stay in their random order.
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        ends = _cut(lengths[rows], batch_size, tokens)
        found += np.split(rows, list(ends)[:-1])
    return [found[number] for number in random.permutation(len(found))]


def padding(lengths: Sequence[int] | Indices, batches: Sequence[Indices]) -> float:
    """The share of all steps in `batches` that is padding, 0 … 1.

    Args:
        lengths: true steps of each row.
        batches: as `buckets` gives them.
    """
    lengths = np.asarray(lengths, np.int64)
    whole = sum(len(batch) * int(lengths[batch].max()) for batch in batches if len(batch))
    true = sum(int(lengths[batch].sum()) for batch in batches)
    return 1 - true / whole if whole else 0.0


def _cut(ascending: Indices, batch_size: int | None, tokens: int | None) -> Iterator[int]:
    """Where batches end, each as long as the limits let it be."""
    begin, count = 0, len(ascending)
    while begin < count:
        most = min(count - begin, batch_size or count)
        if tokens is not None:
            # At most this many fit; a longer row may yet come among them. A row without steps
            # counts as one, else any number of them would fit.
            most = min(most, tokens // max(1, int(ascending[begin])))
            padded = np.arange(1, most + 1) * np.maximum(1, ascending[begin : begin + most])
            most = int(np.searchsorted(padded, tokens, "right"))
        begin += most
        yield begin


def _check_options(
    batch_size: int | None, tokens: int | None, seed: int, epoch: int, pool: int
) -> None:
    if batch_size is None and tokens is None:
        raise OptionError("buckets: no limit; give batch_size, tokens, or both")
    limits = {"batch_size": batch_size, "tokens": tokens, "pool": pool}
    for name, value in limits.items():
        if value is not None and value < 1:
            raise OptionError(f"buckets: {name} is {value}; it is at least 1")
    for name, value in {"seed": seed, "epoch": epoch}.items():
        if value < 0:
            raise OptionError(f"buckets: {name} is {value}; it is at least 0")


def _check_lengths(lengths: Indices, tokens: int | None) -> None:
    if not len(lengths):
        return
    if lengths.min() < 0:
        row = int(lengths.argmin())
        raise DataError(f"buckets: row {row} has {lengths[row]} steps; a row has at least 0")
    if tokens is not None and lengths.max() > tokens:
        row = int(lengths.argmax())
        raise DataError(
            f"buckets: row {row} has {lengths[row]} steps, a batch takes tokens={tokens}; cut the "
            "row or raise tokens"
        )
