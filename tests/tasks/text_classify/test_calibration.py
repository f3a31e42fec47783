"""Temperatures and the share of the counts: found where they are known."""

import numpy as np
import pytest

from recurra.tasks.classes.metrics import calibration_error
from recurra.tasks.classes.temperature import log_softmax
from recurra.tasks.text_classify.calibration import Calibration


def drawn(temperature, classes=3, texts=4000):
    """Scores that are too large by a factor, and labels drawn from what they should say."""
    random = np.random.default_rng(0)
    honest = random.normal(0, 1.5, (texts, classes))
    chances = np.exp(log_softmax(honest))
    labels = (chances.cumsum(axis=1) > random.random((texts, 1))).argmax(axis=1)
    return honest * temperature, labels


def test_few_texts_that_are_all_answered_rightly_make_nobody_sure():
    labels = np.array([0, 1] * 4)
    scores = 100.0 * np.eye(2)[labels]
    found = Calibration.fit(scores, scores, labels)
    assert np.exp(found.logarithms(scores, scores)).max() == pytest.approx(17 / 18, abs=1e-3)


def test_the_share_goes_to_who_knows_more_and_probabilities_mean_what_they_say():
    scores, labels = drawn(5.0, classes=2)
    noise = np.random.default_rng(1).normal(0, 3, scores.shape)
    assert Calibration.fit(scores, noise, labels).share == 0.0
    assert Calibration.fit(noise, scores, labels).share == 1.0
    one, two = scores + 2 * noise, scores - 2 * noise
    both = Calibration.fit(one, two, labels)
    assert 0.3 < both.share < 0.7
    after = calibration_error(np.exp(both.logarithms(one, two)), labels)
    assert after < 0.03 < calibration_error(np.exp(log_softmax(one)), labels)
    assert np.exp(both.logarithms(one, two)).sum(axis=1) == pytest.approx(1.0)
