"""Labels as numbers, and how much each class counts."""

import numpy as np
import pytest

from recurra.errors import DataError
from recurra.tasks.classes.labels import class_weights, in_order, numbers_of


def test_rare_classes_count_more_where_classes_are_skewed():
    even, skewed = np.array([30, 20]), np.array([90, 10])
    assert class_weights(even, "auto").tolist() == [1, 1]
    assert class_weights(skewed, "none").tolist() == [1, 1]
    balanced = class_weights(skewed, "auto")
    np.testing.assert_allclose(balanced * skewed, [50, 50])
    assert class_weights(skewed, "balanced").tolist() == balanced.tolist()


def test_numbers_are_places_among_the_classes():
    assert numbers_of(["b", "a", "b"], ["a", "b"], "x").tolist() == [1, 0, 1]
    with pytest.raises(DataError, match='the label "c" was never learned; known are a, b'):
        numbers_of(["a", "c"], ["a", "b"], "x")


def test_numbers_come_in_their_order_before_words():
    assert sorted(["b", "10", "9", "a"], key=in_order) == ["9", "10", "a", "b"]
