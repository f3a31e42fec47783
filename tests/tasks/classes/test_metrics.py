"""Figures of answers, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from recurra.tasks.classes.metrics import calibration_error, confusion, macro_f1, metrics


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_they_are_scikit_learns(classes):
    random = np.random.default_rng(classes)
    p = random.dirichlet(np.ones(classes), 200)
    y = random.integers(0, classes, 200)
    found, said = metrics(p, y), p.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(accuracy_score(y, said), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(f1_score(y, said, average="macro"), abs=1e-12)
    assert found["nats"] == pytest.approx(log_loss(y, p), abs=1e-12)
    assert (confusion(said, y, classes) == confusion_matrix(y, said)).all()


def test_classes_that_are_nowhere_do_not_count():
    y = np.array([0, 0, 2])
    assert macro_f1(confusion(np.array([0, 2, 2]), y, 4)) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_calibration_error_is_the_gap_in_each_bin():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.0, 1.0]])
    y = np.array([0, 0, 0, 1, 0, 1])
    expected = (abs(3 - 4 * 0.9) + abs(0 - 0.6) + abs(1 - 1.0)) / 6
    assert calibration_error(p, y) == pytest.approx(expected)


def test_a_probability_of_nothing_costs_no_infinity():
    assert metrics(np.array([[1.0, 0.0]]), np.array([1]))["nats"] == pytest.approx(-np.log(1e-12))
