"""Every row once, within the limits, in batches of like length and a random order."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import buckets, padding
from recurra.errors import DataError, OptionError

LENGTHS = st.lists(st.integers(0, 60), max_size=120)
POOLS = st.integers(1, 150)


def ragged(rows, seed=0):
    return np.random.default_rng(seed).lognormal(3, 0.8, rows).astype(np.int64) + 1


@given(
    LENGTHS, st.integers(1, 20), st.integers(60, 400), st.integers(0, 9), POOLS, st.integers(0, 2)
)
def test_every_row_comes_once_within_the_limits(lengths, batch_size, tokens, seed, pool, which):
    limits = [
        {"batch_size": batch_size},
        {"tokens": tokens},
        {"batch_size": batch_size, "tokens": tokens},
    ][which]
    found = buckets(lengths, **limits, seed=seed, epoch=1, pool=pool)
    rows = np.concatenate([np.empty(0, np.int64), *found])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(lengths)))
    lengths = np.asarray(lengths, np.int64)
    for batch in found:
        assert 1 <= len(batch) <= limits.get("batch_size", len(lengths))
        assert len(batch) * lengths[batch].max() <= limits.get("tokens", np.inf)
    again = buckets(lengths, **limits, seed=seed, epoch=1, pool=pool)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert 0 <= padding(lengths, found) < 1


@given(LENGTHS, st.integers(60, 400))
def test_a_batch_is_as_large_as_the_limit_lets_it_be(lengths, tokens):
    """In one pool, sorted, no batch could have taken the first row of the next."""
    lengths = np.asarray(lengths, np.int64)
    found = buckets(lengths, tokens=tokens, seed=0, epoch=1)
    found.sort(key=lambda batch: (lengths[batch].max(), lengths[batch].min(), -len(batch)))
    for batch, after in pairwise(found):
        assert (len(batch) + 1) * max(1, lengths[after].min()) > tokens


@given(LENGTHS, st.integers(1, 20), POOLS, st.integers(0, 9))
def test_epochs_have_as_many_batches_by_rows(lengths, batch_size, pool, epoch):
    found = buckets(lengths, batch_size=batch_size, seed=1, epoch=epoch, pool=pool)
    whole, rest = divmod(len(lengths), pool)
    assert len(found) == whole * -(-pool // batch_size) + -(-rest // batch_size)


def test_one_pool_has_as_many_batches_by_tokens():
    lengths = ragged(3000)
    numbers = {len(buckets(lengths, tokens=2000, seed=0, epoch=epoch)) for epoch in range(5)}
    assert len(numbers) == 1


def test_little_is_padding():
    lengths = ragged(20_000)
    found = buckets(lengths, batch_size=32, seed=0, epoch=1)
    order = np.random.default_rng(0).permutation(len(lengths))
    by_chance = np.split(order, range(32, len(order), 32))
    assert padding(lengths, found) < padding(lengths, by_chance) / 10


def test_padding_is_the_share_of_steps_past_the_ends():
    assert padding([3, 1, 2, 5], [np.array([0, 1]), np.array([2]), np.array([3])]) == 2 / 13
    assert padding([], []) == 0
    assert padding([0, 0], [np.array([0, 1])]) == 0


def test_epochs_and_seeds_have_batches_of_their_own():
    lengths = ragged(500)
    found = [
        tuple(buckets(lengths, batch_size=500, seed=seed, epoch=epoch)[0])
        for seed in (0, 1)
        for epoch in (1, 2)
    ]
    assert len(set(found)) == 4


def test_short_and_long_batches_are_mixed():
    lengths = ragged(5000)
    longest = [lengths[batch].max() for batch in buckets(lengths, batch_size=10, seed=0, epoch=1)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no limit; give batch_size, tokens, or both"),
        ({"batch_size": 0}, "batch_size is 0; it is at least 1"),
        ({"tokens": 0}, "tokens is 0; it is at least 1"),
        ({"tokens": 9, "pool": 0}, "pool is 0; it is at least 1"),
        ({"tokens": 9, "seed": -1}, "seed is -1; it is at least 0"),
        ({"tokens": 9, "epoch": -1}, "epoch is -1; it is at least 0"),
    ],
)
def test_what_does_not_fit_is_told(options, said):
    with pytest.raises(OptionError, match=said):
        buckets([1, 2, 3], **{"seed": 0, "epoch": 1} | options)


def test_a_row_that_fits_no_batch_is_named():
    with pytest.raises(DataError, match="row 2 has 90 steps, a batch takes tokens=64; cut"):
        buckets([3, 5, 90, 1], tokens=64, seed=0, epoch=1)
    with pytest.raises(DataError, match="row 1 has -5 steps; a row has at least 0"):
        buckets([3, -5], batch_size=1, seed=0, epoch=1)
