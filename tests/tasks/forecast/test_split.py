"""What is held out, how far is looked back, and a horizon that truly fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.tasks.forecast.split import (
    before,
    choose_context,
    choose_segment,
    choose_split,
    least_context,
    long_enough,
    longest_horizon,
    too_short,
)

SERIES = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 300)), min_size=1, max_size=4)


def arrays(series):
    return tuple(np.array(part, np.int64) for part in zip(*series, strict=True))


@given(SERIES, st.integers(1, 400))
def test_two_equal_stretches_of_at_least_a_horizon_are_held_out(series, horizon):
    starts, lengths = arrays(series)
    split = choose_split(starts, lengths, horizon)
    assert split.end == (starts + lengths).max()
    assert split.end - split.test == split.test - split.valid >= horizon


def test_a_long_series_keeps_back_15_percent_twice():
    split = choose_split(np.array([0]), np.array([1000]), 24)
    assert (split.valid, split.test, split.end) == (700, 850, 1000)


@given(SERIES, st.one_of(st.none(), st.integers(1, 20)), st.one_of(st.none(), st.integers(1, 300)))
def test_the_longest_horizon_is_the_longest(series, context, valid):
    starts, lengths = arrays(series)

    def fits(horizon):
        cut = choose_split(starts, lengths, horizon).valid if valid is None else valid
        return long_enough(before(starts, lengths, cut), horizon, context).all()

    slow = max((h for h in range(1, int(lengths.max()) + 1) if fits(h)), default=0)
    assert longest_horizon(starts, lengths, context, valid) == slow


def test_a_series_that_is_too_short_says_what_mends_it():
    training = np.array([100, -4, 7])
    enough = long_enough(training, 6, None)
    assert enough.tolist() == [True, False, False]
    said = str(too_short(("a", "b", "c"), training, enough, 6, None, 3))
    assert said == (
        'series "b" has 0 steps before what is held out to validate and test; horizon 6 with '
        "context 5 needs 11: --horizon 3 fits, or --skip-short leaves out 2 of 3 series"
    )
    alone = np.array([False])
    assert "--skip-short" not in str(too_short(("a",), np.array([3]), alone, 6, None, 1))
    said = str(too_short(("a",), np.array([3]), alone, 1, 20, 0))
    assert said.endswith("horizon 1 with context 20 needs 21: a shorter --context may")
    assert str(too_short(("a",), np.array([2]), alone, 1, None, 0)).endswith(
        "no shorter --horizon does"
    )


@given(st.integers(1, 200), st.integers(0, 5000), st.one_of(st.none(), st.integers(1, 400)))
def test_a_chosen_context_fits_its_training_part(horizon, more, season):
    training = least_context(horizon) + horizon + more
    context = choose_context(training, horizon, season)
    assert least_context(horizon) <= context <= training - horizon


@given(st.integers(1, 500), st.integers(1, 200), st.booleans())
def test_segments_divide_the_context(context, horizon, fixed):
    found, segment = choose_segment(context, horizon, fixed)
    assert found % segment == 0
    assert 1 <= segment <= found <= context
    if fixed:
        assert found == context
    else:
        assert context - found < segment


@pytest.mark.parametrize(
    ("training", "horizon", "season", "context"),
    [
        (1000, 12, 12, 24),
        (1000, 24, 7, 48),
        (20_000, 24, 24, 336),
        (1000, 24, 24, 48),
        (30, 6, 12, 16),
        (6, 1, None, 2),
    ],
)
def test_two_seasons_or_horizons_or_longer_cycles_are_looked_at(training, horizon, season, context):
    assert choose_context(training, horizon, season) == context
