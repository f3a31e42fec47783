"""Metrics against numbers worked out by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from recurra.tasks.forecast.measure import verdict
from recurra.tasks.forecast.metrics import coverage, errors, naive_scale

# Two series: three windows of the first, one of the second, two steps each.
TRUE = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [10.0, 20.0]])
PREDICTED = np.array([[2.0, 2.0], [3.0, 7.0], [5.0, 4.0], [10.0, 10.0]])
ALL = np.ones((4, 2), bool)
SERIES = np.array([0, 0, 0, 1])
SCALES = np.array([2.0, 2.0, 2.0, 4.0])


def test_mase_is_the_mean_over_series_of_each_ones_mean():
    # Series 0: errors 1 0 0 3 0 2, mean 1, scaled 0.5. Series 1: errors 0 10, mean 5, scaled 1.25.
    found = errors(PREDICTED, TRUE, ALL, SERIES, SCALES)
    assert found["mase"] == pytest.approx((0.5 + 1.25) / 2)
    assert found["mae"] == pytest.approx(16 / 8)
    assert found["rmse"] == pytest.approx(math.sqrt((1 + 9 + 4 + 100) / 8))


def test_what_was_not_observed_does_not_count():
    observed = ALL.copy()
    observed[1, 1] = observed[3, 0] = False
    true = np.where(observed, TRUE, 1e9)
    found = errors(PREDICTED, true, observed, SERIES, SCALES)
    # Series 0: errors 1 0 0 0 2 over five steps. Series 1: 10 over one step.
    assert found["mase"] == pytest.approx((3 / 5 / 2 + 10 / 4) / 2)
    assert found["mae"] == pytest.approx(13 / 6)
    assert found["rmse"] == pytest.approx(math.sqrt(105 / 6))


def test_a_series_without_a_scale_counts_in_mae_alone():
    scales = np.array([2.0, 2.0, 2.0, np.nan])
    found = errors(PREDICTED, TRUE, ALL, SERIES, scales)
    assert found["mase"] == pytest.approx(0.5)
    assert found["mae"] == pytest.approx(2.0)
    assert math.isnan(errors(PREDICTED, TRUE, ALL, SERIES, np.full(4, np.nan))["mase"])


@given(seed=st.integers(0, 2**32 - 1), N=st.integers(1, 20), P=st.integers(1, 7))
def test_mae_and_rmse_are_those_of_scikit_learn(seed, N, P):
    random = np.random.default_rng(seed)
    true, predicted = random.normal(size=(2, N, P))
    observed = random.random((N, P)) < 0.7
    observed[0, 0] = True
    found = errors(predicted, true, observed, random.integers(0, 3, N), np.ones(N))
    seen, said = true[observed], predicted[observed]
    assert found["mae"] == pytest.approx(mean_absolute_error(seen, said), rel=1e-12)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(seen, said), rel=1e-12)


def test_the_naive_scale_is_the_mean_change_over_a_season():
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    assert naive_scale(values, 1) == pytest.approx((1 + 2 + 4 + 8) / 4)
    assert naive_scale(values, 2) == pytest.approx((3 + 6 + 12) / 3)
    values[2] = np.nan
    assert naive_scale(values, 1) == pytest.approx((1 + 8) / 2)
    assert naive_scale(values, 2) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("values", "season"),
    [([1.0, 2.0], 2), ([], 1), ([3.0, 3.0, 3.0], 1), ([1.0, np.nan, 2.0], 1)],
    ids=["too short", "empty", "never changes", "never beside one another"],
)
def test_a_scale_that_says_nothing_is_no_number(values, season):
    assert math.isnan(naive_scale(np.array(values), season))


def test_the_seasonal_naive_forecast_has_a_mase_of_1_on_its_own_training_part():
    values = np.random.default_rng(0).normal(size=40)
    scale = naive_scale(values, 7)
    ahead = values[7:][:, None]
    back = values[:-7][:, None]
    N = len(ahead)
    found = errors(back, ahead, np.ones((N, 1), bool), np.zeros(N, int), np.full(N, scale))
    assert found["mase"] == pytest.approx(1)


def test_coverage_counts_what_was_observed_and_takes_the_edges_in():
    low, high = np.zeros((2, 3)), np.ones((2, 3))
    true = np.array([[0.0, 1.0, 1.5], [0.5, -0.1, 0.2]])
    observed = np.array([[True, True, True], [True, True, False]])
    assert coverage(low, high, true, observed) == pytest.approx(3 / 5)
    assert coverage(low, high, true, np.zeros((2, 3), bool)) == 0


def table(**mase):
    return {name: {"mase": value, "mae": 2 * value} for name, value in mase.items()}


def test_the_verdict_says_plainly_who_wins():
    assert verdict(table(model=0.5, naive=1.0, nlinear=0.75)) == (
        "the model wins: MASE 0.500 against 0.750 of the best baseline, nlinear"
    )
    assert verdict(table(model=0.8, naive=1.0, nlinear=0.75)) == (
        "the baseline nlinear wins: MASE 0.750 against the model's 0.800"
    )
    for model in (0.7501, 0.7499):
        assert verdict(table(model=model, naive=1.0, nlinear=0.75)) == (
            "the model and the best baseline, nlinear, are level: MASE 0.750"
        )


def test_without_a_scale_the_verdict_goes_by_mae():
    rows = {"model": {"mase": math.nan, "mae": 1.0}, "naive": {"mase": math.nan, "mae": 2.0}}
    assert verdict(rows) == "the model wins: MAE 1.000 against 2.000 of the best baseline, naive"
