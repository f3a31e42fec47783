"""Scalers: what they learn, from where, and back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data.scale import Scaler

VALUES = [np.array([1.0, 3.0, np.nan, 5.0, 100.0]), np.array([2.0, 2.0, 2.0]), np.full(3, np.nan)]
NAMES = ("a", "b", "c")


def test_only_what_was_observed_before_the_end_counts():
    scaler = Scaler.fit(NAMES, VALUES, [4, 3, 3])
    np.testing.assert_allclose(scaler.mean, [3.0, 2.0, 0.0])
    np.testing.assert_allclose(scaler.std, [np.std([1, 3, 5]), 1.0, 1.0])
    whole = Scaler.fit(NAMES, VALUES)
    assert whole.mean[0] == pytest.approx(109 / 4)


def test_unseen_series_are_measured_by_their_own_history():
    scaler = Scaler.fit(NAMES, VALUES, [4, 3, 3])
    new = scaler.for_series(("z", "a"), [np.array([10.0, 30.0]), np.zeros(2)])
    np.testing.assert_allclose(new.mean, [20.0, 3.0])
    np.testing.assert_allclose(new.std, [10.0, scaler.std[0]])


def test_equal_values_with_rounding_have_no_spread():
    scaler = Scaler.fit(("a",), [np.full(7, 0.1) * 3])
    assert scaler.std[0] == 1.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_inverse_undoes_transform(values):
    series = np.array(values)
    scaler = Scaler.fit(("a",), [series])
    scaled = scaler.transform(0, series)
    tolerance = 1e-9 * max(1.0, np.abs(series).max())
    np.testing.assert_allclose(scaler.inverse(0, scaled), series, atol=tolerance, rtol=0)
    if np.ptp(series) > 1e-3:
        assert scaled.mean() == pytest.approx(0, abs=1e-6)
        assert scaled.std() == pytest.approx(1)


def test_a_scaler_survives_json():
    scaler = Scaler.fit(NAMES, VALUES, [4, 3, 3])
    again = Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert again.names == scaler.names
    np.testing.assert_array_equal(again.mean, scaler.mean)
    np.testing.assert_array_equal(again.std, scaler.std)
