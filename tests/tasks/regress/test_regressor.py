"""The estimator on its sample: values of sequences and of steps."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recurra.errors import DataError, OptionError
from recurra.tasks import SequenceRegressor


@pytest.fixture(scope="module")
def one(trained):
    return trained("regress")


def test_it_beats_the_mean(one):
    measures = one.estimator.measures_
    assert set(measures.metrics) == {"rmse", "mae", "r2"}
    assert measures.metrics["rmse"] < 0.6 * measures.baselines["mean"]["rmse"]
    assert list(one.estimator.predict(one.data)) == ["name", "prediction"]


def test_a_cap_bounds_what_is_learned_and_what_is_said(one):
    fitted = SequenceRegressor(**{**one.fields, "epochs": 1}, cap=12.0).fit(one.data)
    assert fitted.predict(one.data)["prediction"].max() <= 12
    assert fitted.measures_.baselines["mean"]["rmse"] < 6
    with pytest.raises(OptionError, match="--cap is nan; it is a finite number"):
        SequenceRegressor(**one.fields, cap=float("nan")).fit(one.data)
    with pytest.raises(DataError, match="one value alone, 1 under --cap 1; it takes values that"):
        SequenceRegressor(**one.fields, cap=1.0).fit(one.data)


def wear(count=24):
    """Machines that wear down, and at each step how many are left."""
    random = np.random.default_rng(0)
    X, y = [], []
    for length in random.integers(6, 12, count):
        left = np.arange(length)[::-1].astype(float)
        X.append((left[:, None] / 10 + random.normal(0, 0.05, (length, 1))).astype(np.float32))
        y.append(left)
    return X, y


def test_each_step_may_have_a_value(one, tmp_path):
    X, y = wear()
    fields = {**one.fields, "per_step": True, "one_way": True, "epochs": 10}
    fitted = SequenceRegressor(**fields).fit(X, y)
    assert fitted.score(X, y) > 0.5
    assert len(fitted.predict(X)) == sum(map(len, X))
    fitted.save(tmp_path / "run")
    back = SequenceRegressor.load(tmp_path / "run")
    np.testing.assert_array_equal(back.predict(X), fitted.predict(X))
    assert (tmp_path / "run" / "steps.png").is_file()
    fitted.plot(fitted.predict(), tmp_path / "lines.png")
    with Image.open(tmp_path / "lines.png") as picture:
        picture.verify()
    with pytest.raises(DataError, match="--because explains one answer a sequence"):
        fitted.because(X, "0")


def test_uneven_time_is_seen_unless_it_is_to_be_ignored(one):
    table = pd.read_csv(one.data)
    table["time"] = table["time"] ** 2
    fields = {**one.fields, "epochs": 1}
    seen = SequenceRegressor(**fields).fit(table)
    assert seen.learned_.setting.timed
    ignored = SequenceRegressor(**fields, uneven="ignored").fit(table)
    assert not ignored.learned_.setting.timed
    for fitted in (seen, ignored):
        assert np.isfinite(fitted.predict(table)["prediction"]).all()


def test_the_report_has_true_values_beside_answers(one):
    report = json.loads((one.folder / "report.json").read_text())
    assert len(report["values"]["true"]) == len(report["values"]["answer"]) == 10
    with Image.open(one.folder / "values.png") as picture:
        picture.verify()
    for name, data in {"values.png": one.data, "bars.png": None}.items():
        one.estimator.plot(one.estimator.predict(data), one.folder.parent / name, data)
