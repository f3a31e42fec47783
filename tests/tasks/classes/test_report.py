"""What is said of each class, of confidence and of the trade-off: against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, roc_curve

from recurra.tasks.classes.report import ClassReport, reliability, roc


def test_each_class_is_as_scikit_learn_has_it():
    random = np.random.default_rng(0)
    p, y = random.dirichlet(np.ones(3), 90), random.integers(0, 3, 90)
    report = ClassReport.of(p, y, ("a", "b", "c"))
    expected = precision_recall_fscore_support(y, p.argmax(axis=1))
    for key, values in zip(("precision", "recall", "f1", "count"), expected, strict=True):
        np.testing.assert_allclose([row[key] for row in report.rows()], values)
    assert report.curve is None
    lines = report.text().split("\n")
    assert lines[0] == "class  precision  recall     F1   count"
    assert len({len(line) for line in lines[:4]}) == 1


@pytest.mark.parametrize("levels", [3, 1000])
def test_the_curve_and_its_area_are_scikit_learns(levels):
    random = np.random.default_rng(levels)
    y = random.integers(0, 2, 80)
    scores = np.round((random.random(80) + y) * levels) / levels
    found = roc(scores, y)
    false, true, _ = roc_curve(y, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.false, false)
    np.testing.assert_allclose(found.true, true)
    assert found.area == pytest.approx(roc_auc_score(y, scores))


def test_a_long_curve_is_thinned_and_its_area_kept():
    random = np.random.default_rng(0)
    y, scores = random.integers(0, 2, 2000), random.random(2000)
    found = roc(scores, y)
    assert len(found.false) == 200
    assert (found.false[-1], found.true[-1]) == (1, 1)
    assert found.area == pytest.approx(roc_auc_score(y, scores))


def test_bins_hold_what_the_calibration_error_is_made_of():
    random = np.random.default_rng(0)
    p, y = random.dirichlet(np.ones(4), 300), random.integers(0, 4, 300)
    bins = reliability(p, y)
    gaps = np.abs(bins.accuracy - bins.confidence) * bins.counts
    report = ClassReport.of(p, y, tuple("abcd"))
    assert gaps.sum() / 300 == pytest.approx(report.figures["ece"])
    assert bins.counts.sum() == 300
