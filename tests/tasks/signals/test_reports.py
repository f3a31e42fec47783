"""Reports of values, and what mattered: figures against scikit-learn, files that can be read."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from recurra.tasks.classes.report import ClassReport
from recurra.tasks.signals.accuracy import errors
from recurra.tasks.signals.mattering import Mattering, mattering
from recurra.tasks.signals.plots import draw_mattering
from recurra.tasks.signals.reports import ValueReport, drawn


def test_errors_are_scikit_learns():
    random = np.random.default_rng(0)
    true = random.normal(size=50)
    said = true + random.normal(size=50)
    found = errors(said, true)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(true, said))
    assert found["mae"] == pytest.approx(mean_absolute_error(true, said))
    assert found["r2"] == pytest.approx(r2_score(true, said))
    assert np.isnan(errors(np.zeros(2), np.ones(2))["r2"])


def test_errors_are_averaged_over_stretches_of_steps():
    lengths = np.array([2, 4])
    said = np.array([1.0, 2, 3, 4, 5, 7])
    report = ValueReport.of(said, np.zeros(6), lengths)
    assert report.steps.tolist() == [1, 2, 3, 4]
    assert report.off.tolist() == [2, 3, 5, 7]
    assert report.text().endswith("error 2 around step 1, 7 around step 4")


def test_a_report_is_files(tmp_path):
    random = np.random.default_rng(0)
    p = random.dirichlet([1, 1], 40)
    classes = ClassReport.of(p, random.integers(0, 2, 40), ("a$", "b"))
    values = ValueReport.of(random.normal(size=9), random.normal(size=9), np.array([4, 5]))
    pictures = {"confusion.png", "calibration.png", "roc.png"}, {"values.png", "steps.png"}
    for report, names in zip((classes, values), pictures, strict=True):
        files = drawn(report)
        assert set(files) == {"report.json"} | names
        for name, write in files.items():
            write(tmp_path / name)
            assert (tmp_path / name).stat().st_size > 100
        assert json.loads((tmp_path / "report.json").read_text()) == report.to_json()


def scores_of(seed=0):
    torch.manual_seed(seed)
    first, second = torch.nn.GRU(3, 8, batch_first=True), torch.nn.Linear(8, 2)

    def scores(values, lengths):
        assert lengths.tolist() == [values.shape[1]] * len(values)
        return second(first(values.nan_to_num(0.0))[0].mean(1))

    return scores


def test_what_mattered_adds_up_to_the_difference_of_scores():
    x = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32) * 2
    x[3, 1] = np.nan
    means = np.array([0.5, 0.0, -1.0])
    for answer in (0, 1):
        found = mattering(scores_of(), x, ("a", "b", "c"), means, answer, points=32)
        assert found.added.sum() == pytest.approx(found.score - found.without, abs=1e-5)
        assert found.added[3, 1] == 0
        few = mattering(scores_of(), x, ("a", "b", "c"), means, answer, points=1)
        assert abs(few.added.sum() - (few.score - few.without)) > 1e-4


def test_of_a_linear_score_each_value_adds_its_term():
    weight = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    x = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    means = np.array([1.0, -1.0], np.float32)
    found = mattering(lambda v, n: (v * weight).sum((1, 2)), x, ("a", "b"), means)
    np.testing.assert_allclose(found.added, (x - means) * weight.numpy(), rtol=1e-4, atol=1e-6)


def test_the_passages_that_mattered_are_named_and_drawn(tmp_path):
    added = np.zeros((60, 2))
    added[30:48, 1], added[5, 0] = 1.0, -2.0
    found = Mattering(np.ones((60, 2), np.float32), added, ("x", "accel_y"), 1.0, 0.0)
    lines = "channel accel_y, steps 31 … 48 (90 %)\nchannel x, step 6 (10 %)"
    assert found.text() == lines
    assert found.text(1) == lines.split("\n")[0]
    draw_mattering(tmp_path / "mattered.svg", found, "example 3: $walk")
    assert "<svg" in (tmp_path / "mattered.svg").read_text()
    nothing = Mattering(found.values, 0 * added, ("x", "accel_y"), 0.0, 0.0)
    assert nothing.text() == ""
