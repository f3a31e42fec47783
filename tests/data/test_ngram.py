"""Counted n-grams are a distribution, agree with the definition, and find what is there to find."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import ngram_nats
from recurra.data.ngram import LEAST, MOST, ngram_probabilities
from recurra.errors import DataError, OptionError

V = 5
TEXTS = st.lists(st.integers(0, V - 1), min_size=1, max_size=60)
ORDERS = st.integers(1, 5)


def defined(train, order):
    """p(w | h) by the equations, with dicts: the slow and plain form."""
    train = tuple(train)
    seen = {
        n: Counter(train[at : at + n] for at in range(len(train) - n + 1))
        for n in range(1, order + 1)
    }
    counts = {order: seen[order]}
    for n in range(1, order):
        counts[n] = Counter(gram[1:] for gram in seen[n + 1])
    discounts, followed = {}, defaultdict(dict)
    for n in range(1, order + 1):
        once, twice = (sum(c == k for c in counts[n].values()) for k in (1, 2))
        discounts[n] = min(max(once / (once + 2 * twice) if once else 0, LEAST), MOST)
        for gram, count in counts[n].items():
            followed[gram[:-1]][gram[-1]] = count

    def chance(w, history):
        lower = chance(w, history[1:]) if history else 1 / V
        after = followed.get(history)
        if not after:
            return lower
        D = discounts[len(history) + 1]
        return (max(after.get(w, 0) - D, 0) + D * len(after) * lower) / sum(after.values())

    return chance


@given(TEXTS, TEXTS, ORDERS)
def test_probabilities_are_those_of_the_definition(train, test, order):
    order = min(order, len(train))
    found = ngram_probabilities(train, test, V, order)
    chance = defined(train, order)
    wanted = [chance(w, tuple(test[max(0, at - order + 1) : at])) for at, w in enumerate(test)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@given(TEXTS, st.lists(st.integers(0, V - 1), max_size=8), ORDERS)
def test_probabilities_over_the_vocabulary_sum_to_one(train, history, order):
    last = [ngram_probabilities(train, [*history, w], V, order)[-1] for w in range(V)]
    assert min(last) > 0
    assert sum(last) == pytest.approx(1, rel=1e-12)


@given(TEXTS, TEXTS)
def test_an_order_longer_than_the_text_is_that_of_the_text(train, test):
    assert ngram_nats(train, test, V, 99) == ngram_nats(train, test, V, len(train))


def test_a_text_that_repeats_is_known_and_noise_is_not():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, V, 20_000)
    assert ngram_nats(noise, rng.integers(0, V, 5000), V, 1) == pytest.approx(np.log(V), abs=1e-3)
    turn = np.tile([0, 1, 2, 0, 3], 1000)
    assert ngram_nats(turn, turn[:500], V, 1) > 1.3
    assert ngram_nats(turn, turn[:500], V, 3) < 0.02


def test_small_types_and_large_vocabularies_do_not_overflow():
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 250, 3000)
    wanted = ngram_nats(ids, ids[:100], 250, 3)
    assert ngram_nats(ids.astype(np.uint8), ids[:100].astype(np.uint8), 250, 3) == wanted
    high = (ids + (1 << 32) - 250).astype(np.uint32)
    assert np.isfinite(ngram_nats(high, high[:100], 1 << 32, 4))


@pytest.mark.parametrize(
    ("train", "test", "order", "said", "kind"),
    [
        ([], [1], 2, "no token to train", DataError),
        ([1], [], 2, "no token to test", DataError),
        ([1, 5], [1], 2, "n-grams: train: id 5 at 1; ids are 0 … 4", DataError),
        ([1], [-1], 2, "n-grams: test: id -1 at 0", DataError),
        ([1], [1], 0, "order is 0; it is at least 1", OptionError),
    ],
)
def test_what_does_not_fit_is_refused(train, test, order, said, kind):
    with pytest.raises(kind, match=said):
        ngram_nats(train, test, V, order)
