"""Strokes of a pen: resampled, normalised, as steps."""

import numpy as np
import pytest

from recurra.data.signals.strokes import (
    as_points,
    normalise,
    pen_features,
    resample,
    to_stroke_3,
)
from recurra.errors import DataError

# Down 2, the pen lifted, and to the right 1.
DRAWN = np.array([[0, 0, 0], [0, 2, 1], [5, 0, 0], [6, 0, 1.0]])


def test_points_lie_equally_far_apart_along_the_ink():
    found = resample(DRAWN, 4)
    np.testing.assert_allclose(found[:, :2], [[0, 0], [0, 1], [0, 2], [6, 0]], atol=1e-12)
    assert found[:, 2].tolist() == [0, 0, 1, 1]
    line = resample(np.array([[0, 0, 0], [1, 0, 0], [3, 4, 1.0]]), 13)
    np.testing.assert_allclose(np.hypot(*np.diff(line[2:, :2], axis=0).T), 5.385165 / 12, rtol=0.3)
    same = resample(line, 13)
    assert same.shape == (13, 3)


def test_a_curve_keeps_its_length_between_neighbours():
    angle = np.linspace(0, np.pi, 400) ** 2 / np.pi
    circle = np.column_stack([np.cos(angle), np.sin(angle), angle == angle[-1]])
    gaps = np.hypot(*np.diff(resample(circle, 11)[:, :2], axis=0).T)
    np.testing.assert_allclose(gaps, 2 * np.sin(np.pi / 20), rtol=1e-3)


def test_a_dot_alone_stays_where_it_is():
    found = resample(np.array([[3.0, 4.0, 1.0]]), 3)
    assert found.tolist() == [[3, 4, 0], [3, 4, 0], [3, 4, 1]]
    assert normalise(found)[:, :2].tolist() == [[0, 0]] * 3


def test_place_and_size_go_and_the_shape_stays():
    found = normalise(DRAWN)
    assert np.abs(found[:, 0]).max() == 1
    assert found[:, 1].tolist() == [-1 / 3, 1 / 3, -1 / 3, -1 / 3]
    moved = DRAWN * [7, 7, 1] + [50, -3, 0]
    np.testing.assert_allclose(normalise(moved), found, atol=1e-12)


def test_stroke_3_is_points_and_back():
    steps = to_stroke_3(DRAWN)
    np.testing.assert_allclose(as_points(steps, "stroke-3", "a"), DRAWN)
    features = pen_features(DRAWN)
    assert features.dtype == np.float32
    assert features[2].tolist() == [5, 0, 5, -2, 0]
    assert features[0].tolist() == [0, 0, 0, 0, 0]


HARM = {
    "one number": (np.zeros((3, 1)), "points", "steps of 1 numbers; points takes x, y"),
    "two for three": (
        np.zeros((3, 2)),
        "stroke-3",
        ".*; stroke-3 takes dx, dy, lifted",
    ),
    "a hole": ([[0, 0], [np.nan, 1]], "points", "point 1 is missing"),
    "half lifted": ([[0, 0, 0.5]], "points", "point 0: lifted is 0.5; it takes 0 or 1"),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_are_no_strokes_is_told(harm):
    raw, form, message = HARM[harm]
    with pytest.raises(DataError, match=f"^a: {message}"):
        as_points(raw, form, "a")
