"""Baselines against slow references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.tasks.forecast import baselines as room
from recurra.tasks.forecast.baselines import Naive, NLinear, SeasonalNaive

RANDOM = np.random.default_rng(0)


def test_the_naive_forecast_repeats_the_last_value(windows_of):
    windows = windows_of([1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50], context=2, horizon=2)
    origins = windows.origins(0, 99)
    expected = windows.y[origins - 1]
    found = Naive().predict(windows, origins)
    assert found.shape == (len(origins), 2)
    assert (found == expected[:, None]).all()
    assert found[:3].tolist() == [[2, 2], [3, 3], [4, 4]]


@pytest.mark.parametrize("season", [1, 2, 3, 5, 7, 13])
@pytest.mark.parametrize("horizon", [1, 3, 8])
def test_the_seasonal_naive_forecast_repeats_the_last_season(windows_of, season, horizon):
    series = [RANDOM.normal(size=20), RANDOM.normal(size=25)]
    windows = windows_of(*series, context=3, horizon=horizon)
    origins = windows.ends()
    found = SeasonalNaive(season).predict(windows, origins)
    for row, values in enumerate(series):
        known = list(values)
        for _ in range(horizon):
            known.append(known[-season])
        np.testing.assert_allclose(found[row], known[-horizon:], rtol=1e-6)


def test_a_season_longer_than_the_history_takes_its_first_value(windows_of):
    windows = windows_of([7, 8, 9], [1, 2, 3, 4, 5], context=2, horizon=2)
    assert SeasonalNaive(4).predict(windows, windows.ends()).tolist() == [[7, 7], [2, 3]]


def slow_fit(series, context, horizon, ridge):
    """The ridge solution by `lstsq` on stacked rows, in float64."""
    x, z = [], []
    for values in series:
        for at in range(context, len(values) - horizon + 1):
            part = values[at - context : at]
            x.append([*(part - part[-1]), 1.0])
            z.append(values[at : at + horizon] - part[-1])
    x, z = np.array(x), np.array(z)
    scale = np.trace(x.T @ x) / len(x.T)
    penalty = np.sqrt(ridge * scale) * np.eye(context + 1)
    penalty[-1, -1] = np.sqrt(ridge * scale * 1e-6)
    zeros = np.zeros((context + 1, horizon))
    return np.linalg.lstsq(np.vstack([x, penalty]), np.vstack([z, zeros]), rcond=None)[0]


@pytest.mark.parametrize(("context", "horizon"), [(1, 1), (3, 2), (7, 5)])
def test_nlinear_is_the_ridge_solution_that_validates_best(windows_of, context, horizon):
    series = [RANDOM.normal(size=60).cumsum(), RANDOM.normal(size=70)]
    windows = windows_of(*series, context=context, horizon=horizon)
    training, validation = windows.origins(0, 45), windows.origins(45, 99)
    fitted = NLinear.fit(windows, training, validation)
    learned = [values[:45].astype(np.float32).astype(np.float64) for values in series]
    found = {}
    for ridge in room.RIDGES:
        weight = slow_fit(learned, context, horizon, ridge)
        answer = NLinear(weight.astype(np.float32)).predict(windows, validation)
        found[float(((answer - windows.targets(validation).y) ** 2).mean())] = weight
    np.testing.assert_allclose(fitted.weight, found[min(found)], rtol=1e-4, atol=1e-5)


def test_nlinear_finds_a_linear_rule(windows_of):
    """y_t = y_{t-1} + (y_{t-1} - y_{t-2}) / 2 + 0.1, from many beginnings, several steps ahead."""
    series = []
    for _ in range(20):
        values = list(RANDOM.normal(size=2))
        while len(values) < 8:
            values.append(values[-1] + (values[-1] - values[-2]) / 2 + 0.1)
        series.append(np.array(values))
    windows = windows_of(*series, context=2, horizon=3)
    origins = windows.origins(0, 99)
    fitted = NLinear.fit(windows, origins, origins)
    # One step: -1/2 of the older difference; then the same again on the answer.
    expected = [[-0.5, -0.75, -0.875], [0, 0, 0], [0.1, 0.25, 0.425]]
    np.testing.assert_allclose(fitted.weight, expected, atol=1e-4)


@given(shift=st.floats(-100, 100))
def test_nlinear_follows_the_level(windows_of, shift):
    values = np.random.default_rng(1).normal(size=30)
    weight = np.random.default_rng(2).normal(size=(4, 2)).astype(np.float32)
    still = windows_of(values, context=3, horizon=2)
    moved = windows_of(values + shift, context=3, horizon=2)
    answers = [NLinear(weight).predict(one, one.origins(0, 99)) for one in (still, moved)]
    np.testing.assert_allclose(answers[1], answers[0] + shift, atol=1e-4)


def test_nlinear_does_not_learn_from_targets_that_were_not_observed(windows_of):
    values = RANDOM.normal(size=60)
    values[[20, 31, 32, 40]] = np.nan
    windows = windows_of(values, context=3, horizon=2)
    # Whole contexts, whatever comes after them.
    origins = windows.origins(0, 99)
    origins = origins[windows.at(origins).observed.all(axis=1)]
    assert not windows.targets(origins).observed.all()
    before = NLinear.fit(windows, origins, origins).weight
    windows.y[~windows.observed] = 1e6
    np.testing.assert_array_equal(NLinear.fit(windows, origins, origins).weight, before)


def test_many_windows_are_thinned_evenly(windows_of, monkeypatch):
    monkeypatch.setattr(room, "MOST_WINDOWS", 10)
    windows = windows_of(RANDOM.normal(size=100).cumsum(), context=3, horizon=2)
    origins = windows.origins(0, 99)
    few = NLinear.fit(windows, origins, origins)
    by_hand = origins[:: -(-len(origins) // 10)]
    assert len(by_hand) <= 10
    monkeypatch.setattr(room, "MOST_WINDOWS", 50_000)
    np.testing.assert_array_equal(few.weight, NLinear.fit(windows, by_hand, by_hand).weight)


def test_chunks_change_nothing(windows_of, monkeypatch):
    windows = windows_of(RANDOM.normal(size=100).cumsum(), context=3, horizon=2)
    origins = windows.origins(0, 99)
    whole = NLinear.fit(windows, origins, origins)
    answers = whole.predict(windows, origins)
    monkeypatch.setattr(room, "CHUNK", 7)
    np.testing.assert_allclose(NLinear.fit(windows, origins, origins).weight, whole.weight, 1e-4)
    np.testing.assert_allclose(whole.predict(windows, origins), answers, rtol=1e-6)
