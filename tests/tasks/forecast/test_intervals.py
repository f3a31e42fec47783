"""Intervals hold what they say: exact ranks, measured coverage, steps in the right direction."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.tasks.forecast import intervals as room
from recurra.tasks.forecast.intervals import LEVELS, Intervals, calibrate

NOMINAL = {level: 1 - level / 100 for level in LEVELS}


def seen(residuals):
    return np.ones(residuals.shape, bool)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 10, 19, 38, 39, 40, 79, 199])
@pytest.mark.parametrize("row", range(len(LEVELS)))
def test_ranks_are_exact(n, row):
    """With n scores, the upper bound is the ceil((1 - a/2)(n + 1))-th, or the largest."""
    scores = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))[:, None]
    found = Intervals.fit(scores, seen(scores), NOMINAL)
    miss = 1 - Fraction(LEVELS[row], 100)
    rank = min(n, math.ceil((1 - miss / 2) * (n + 1)))
    assert found.high[row, 0] == rank
    assert found.low[row, 0] == n + 1 - rank


def test_coverage_of_exchangeable_scores_is_exact_in_the_mean():
    """19 scores hold the next one in 80 % of all cases: ranks 2 and 18 of 20."""
    random = np.random.default_rng(0)
    hits = []
    for _ in range(4000):
        scores = random.exponential(size=(20, 1))
        found = Intervals.fit(scores[:19], seen(scores[:19]), NOMINAL)
        hits.append(found.low[0, 0] <= scores[19, 0] <= found.high[0, 0])
    assert np.mean(hits) == pytest.approx(0.8, abs=0.02)


def test_the_sides_are_separate():
    scores = np.random.default_rng(0).exponential(size=(2000, 1))
    found = Intervals.fit(scores, seen(scores), NOMINAL)
    assert found.high[0, 0] == pytest.approx(-math.log(0.1), rel=0.1)
    assert found.low[0, 0] == pytest.approx(-math.log(0.9), rel=0.2)


def test_bounds_lie_around_the_forecast_and_the_wider_level_outside():
    scores = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 2.0, 3.0]
    found = Intervals.fit(scores, seen(scores), NOMINAL)
    predicted = np.full((2, 3), 10.0)
    (low, high), (lower, higher) = (found.around(predicted, level) for level in LEVELS)
    assert (lower < low).all()
    assert (low < 10).all()
    assert (high > 10).all()
    assert (higher > high).all()
    assert (np.diff(high - low, axis=1) > 0).all()


def test_few_scores_of_a_step_are_joined_by_its_neighbours():
    """30 of each of three steps are too few for 95 %: the middle one takes all 90."""
    scores = np.arange(90.0).reshape(3, 30).T
    found = Intervals.fit(scores, seen(scores), NOMINAL)
    assert found.high[1, 1] == math.ceil(0.975 * 91) - 1
    assert found.high[1, 0] == math.ceil(0.975 * 61) - 1
    observed = seen(scores)
    observed[:, 0] = False
    assert Intervals.fit(scores, observed, NOMINAL).high[1, 0] == math.ceil(0.975 * 61) - 1 + 30


def series_of(errors, P=1):
    """Forecasts of 0 at every step, and what was true."""
    true = np.stack([np.roll(errors, -step) for step in range(P)], axis=1)
    return np.zeros_like(true), true, seen(true), np.arange(len(errors))


@pytest.mark.parametrize("P", [1, 5])
def test_measured_coverage_tends_to_the_level(P):
    errors = np.random.default_rng(0).normal(size=12_000)
    found, shares = calibrate(*series_of(errors, P), begin=6000)
    for row, level in enumerate(LEVELS):
        assert shares[level] == pytest.approx(level / 100, abs=0.01)
        bound = {80: 1.2816, 95: 1.96}[level]
        assert found.high[row] == pytest.approx(bound, rel=0.06)
        assert found.low[row] == pytest.approx(-bound, rel=0.06)


@pytest.mark.parametrize(("factor", "wider"), [(2.0, True), (0.5, False)])
def test_errors_that_grow_widen_and_errors_that_shrink_narrow(factor, wider):
    errors = np.random.default_rng(0).normal(size=4000)
    errors[2000:] *= factor
    inputs = series_of(errors)
    found, shares = calibrate(*inputs, begin=2000)
    fixed = Intervals.fit(inputs[1], inputs[2], NOMINAL)
    width, plain = found.high - found.low, fixed.high - fixed.low
    assert ((width > plain) if wider else (width < plain)).all()
    before = Intervals.fit(inputs[1][:2000], inputs[2][:2000], NOMINAL)
    low, high = before.around(inputs[0][2000:], 80)
    still = room.coverage(low, high, inputs[1][2000:], inputs[2][2000:])
    assert abs(shares[80] - 0.8) < abs(still - 0.8), "nearer to the level than without a step"


def test_a_block_that_misses_moves_the_next_by_half_of_the_difference(monkeypatch):
    asked = []
    fit = Intervals.fit.__func__

    def watched(cls, residuals, observed, misses):
        asked.append(dict(misses))
        return fit(cls, residuals, observed, misses)

    monkeypatch.setattr(Intervals, "fit", classmethod(watched))
    errors = np.concatenate([np.random.default_rng(0).normal(size=400), np.full(80, 1e3)])
    calibrate(*series_of(errors), begin=400)
    assert len(asked) == room.BLOCKS + 1
    assert asked[0] == NOMINAL
    # The first block holds nothing: a moves from .2 by half of 0 - .8, and no lower than .005.
    assert asked[1] == {80: 0.005, 95: 0.005}
    assert all(0.005 <= misses[level] <= 0.9 for misses in asked for level in LEVELS)
    asked.clear()
    errors = np.concatenate([np.random.default_rng(0).normal(size=400), np.zeros(80)])
    calibrate(*series_of(errors), begin=400)
    assert asked[1] == pytest.approx({80: 0.2 + 0.5 * 0.2, 95: 0.05 + 0.5 * 0.05})


@given(P=st.integers(1, 6), blocks=st.integers(1, 8), count=st.integers(20, 60))
def test_no_block_is_judged_by_what_was_not_known_yet(P, blocks, count):
    """Scores are their own times here, so what an interval was made from can be read off it."""
    made = []
    fit = Intervals.fit.__func__

    def watched(cls, residuals, observed, misses):
        made.append(np.unique(residuals))
        return fit(cls, residuals, observed, misses)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Intervals, "fit", classmethod(watched))
        patch.setattr(room, "BLOCKS", blocks)
        times = np.arange(count)
        begin = count // 2
        keep = (times <= begin - P) | (times >= begin)
        times = times[keep]
        true = np.repeat(times[:, None], P, axis=1).astype(float)
        calibrate(np.zeros_like(true), true, seen(true), times, begin)
    starts = [block[0] for block in np.array_split(times[times >= begin], len(made) - 1)]
    for known, start in zip(made, starts, strict=False):
        np.testing.assert_array_equal(known, times[times + P <= start])
    np.testing.assert_array_equal(made[-1], times)
