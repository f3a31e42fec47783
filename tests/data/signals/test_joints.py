"""Joints: neither place nor size of a body counts, its motion does."""

import numpy as np
import pytest

from recurra.data.signals.joints import as_joints, body_channels, body_features
from recurra.errors import DataError

WALK = np.random.default_rng(0).normal(size=(5, 3, 2))


@pytest.mark.parametrize("centre", [-1, 2])
def test_place_and_size_are_taken_out(centre):
    found = body_features(WALK, centre, 2, True)
    again = body_features(WALK * 3 + [10, -4], centre, 2, True)
    np.testing.assert_allclose(again, found, atol=1e-5)
    assert found.shape == (5, len(body_channels(3, 2, 2, True)))


def test_features_are_places_motion_and_distances():
    body = np.array([[[0, 0], [2, 0.0]], [[1, 0], [3, 0]], [[1, 4], [3, 4]]])
    found = dict(zip(body_channels(2, 2, 2, True), body_features(body, -1, 2, True).T, strict=True))
    assert found["1x"].tolist() == [-1, -1, -1]
    assert found["2x over 1"].tolist() == [0, 1, 0]
    assert found["2y over 2"].tolist() == [0, 0, 4]
    assert found["1 to 2"].tolist() == [2, 2, 2]
    assert body_features(body, 0, 0, False)[:, :2].tolist() == [[0, 0]] * 3


def test_a_joint_that_is_not_seen_is_missing_alone():
    body = WALK.copy()
    body[1, 0] = np.nan
    found = body_features(body, -1, 1, False)
    assert np.isnan(found).sum() == 2 + 2 * 2
    assert not np.isnan(found[1, 2:6]).any()
    assert np.isnan(body_features(np.full((2, 1, 2), np.nan), -1, 0, False)).all()


def test_arrays_of_both_shapes_are_the_same_joints():
    np.testing.assert_allclose(as_joints(WALK, 2, "a"), as_joints(WALK.reshape(5, 6), 2, "a"))
    with pytest.raises(DataError, match="a: places of 2 numbers; --dimensions says 3"):
        as_joints(WALK, 3, "a")
    with pytest.raises(DataError, match="a: steps of 5 numbers are no joints of 2"):
        as_joints(np.zeros((4, 5)), 2, "a")
