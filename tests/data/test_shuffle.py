"""Every item once, in an order of seed and epoch, never far from its block, from any place on."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import block_order, pools
from recurra.errors import OptionError

COUNTS = st.integers(0, 200)
BLOCKS = st.integers(1, 30)
SEEDS = st.integers(0, 2**64)
EPOCHS = st.integers(0, 50)


def order(*arguments, **options):
    return np.concatenate([np.empty(0, np.int64), *block_order(*arguments, **options)])


@given(COUNTS, BLOCKS, SEEDS, EPOCHS, st.integers(1, 9))
def test_every_item_comes_once(count, block, seed, epoch, together):
    found = order(count, block, seed, epoch, together=together)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(np.sort(found), np.arange(count))


@given(COUNTS, BLOCKS, SEEDS, EPOCHS, st.integers(1, 9), st.integers(0, 220))
def test_one_may_begin_anywhere(count, block, seed, epoch, together, begin):
    whole = order(count, block, seed, epoch, together=together)
    rest = order(count, block, seed, epoch, together=together, begin=begin)
    np.testing.assert_array_equal(rest, whole[begin:])


@given(st.lists(st.integers(0, 12), max_size=20), SEEDS, st.integers(1, 5), st.integers(0, 240))
def test_blocks_may_have_any_sizes(sizes, seed, together, begin):
    starts = np.cumsum([0, *sizes])

    def items(**options):
        for pool in pools(sizes, seed, 1, together=together, **options):
            assert len(pool.blocks) <= together
            assert (np.diff(pool.blocks) > 0).all()
            inside = [np.arange(starts[block], starts[block + 1]) for block in pool.blocks]
            yield from np.concatenate(inside)[pool.order]

    whole = list(items())
    assert sorted(whole) == list(range(sum(sizes)))
    assert list(items(begin=begin)) == whole[begin:]


def test_what_lies_together_is_a_few_blocks():
    for items in block_order(1000, 10, 3, 1, together=4):
        assert len(items) == 40
        assert len(np.unique(items // 10)) == 4


def test_seeds_and_epochs_have_orders_of_their_own():
    found = [order(500, 10, seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    assert len({tuple(each) for each in found}) == len(found)
    np.testing.assert_array_equal(found[0], order(500, 10, 0, 0))


def test_items_leave_their_places():
    """A random order keeps one item in its place, by expectation."""
    found = order(10_000, 100, 7, 1)
    assert (found == np.arange(10_000)).sum() < 10
    # Neighbours in the order are neighbours in the data about once in a pool of 1600 places.
    assert (np.abs(np.diff(found)) == 1).sum() < 40


def test_memory_is_a_pool_and_not_all_items():
    block_order(10, 2, 0, 0)
    tracemalloc.start()
    for _ in islice(block_order(10**8, 10**5, 0, 1, together=1), 5):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 8 * 10**5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": -1}, "count is -1; it is at least 0"),
        ({"block": 0}, "block is 0; it holds at least one item"),
        ({"seed": -3}, "seed is -3; it is at least 0"),
        ({"epoch": -1}, "epoch is -1; it is at least 0"),
        ({"together": 0}, "together is 0; a pool takes at least one block"),
        ({"begin": -1}, "begin is -1; it is at least 0"),
    ],
)
def test_what_does_not_fit_is_told_at_once(change, said):
    with pytest.raises(OptionError, match=said):
        block_order(**{"count": 10, "block": 2, "seed": 0, "epoch": 1} | change)
