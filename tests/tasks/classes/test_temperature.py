"""Temperatures: found where they are known."""

import numpy as np
import pytest

from recurra.tasks.classes.temperature import log_softmax, softened, temperature


def drawn(temperature, classes=3, texts=4000):
    """Scores that are too large by a factor, and labels drawn from what they should say."""
    random = np.random.default_rng(0)
    honest = random.normal(0, 1.5, (texts, classes))
    chances = np.exp(log_softmax(honest))
    labels = (chances.cumsum(axis=1) > random.random((texts, 1))).argmax(axis=1)
    return honest * temperature, labels


@pytest.mark.parametrize("true", [0.3, 1.0, 40.0])
def test_the_temperature_of_scores_that_are_too_sure_is_found(true):
    scores, labels = drawn(true)
    assert temperature(scores, softened(labels, 3)) == pytest.approx(true, rel=0.1)


def test_the_temperature_is_where_the_loss_is_smallest():
    scores, labels = drawn(2.0, texts=100)
    targets = softened(labels, 3)
    found = temperature(scores, targets)

    def loss(t):
        return -(targets * log_softmax(scores / t)).sum()

    assert loss(found) < min(loss(found * 1.001), loss(found / 1.001))


def test_targets_are_softened_by_one_example_of_no_class():
    found = softened(np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(found, [[7 / 8, 1 / 8], [7 / 8, 1 / 8], [1 / 8, 7 / 8]], rtol=1e-12)


def test_few_examples_of_many_classes_leave_sure_answers_sure():
    labels = np.repeat(np.arange(9), 3)
    scores = 20 * np.eye(9)[labels]
    sure = np.exp(log_softmax(scores / temperature(scores, softened(labels, 9))))
    assert sure[np.arange(27), labels].min() > 0.95
