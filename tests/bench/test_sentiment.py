"""What the bench of sentiment promises: nothing is learned from what it measures."""

import argparse

import pandas as pd
import pytest

from bench import sentiment
from recurra.tasks import TextClassifier
from recurra.tasks.text_classify.fitting import Fit


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    """Both sets in small, and every fit on record, with the least of training."""
    rows = pd.read_csv(TextClassifier.sample(tmp_path))
    (tmp_path / "sst").mkdir()
    (tmp_path / "mr").mkdir()
    parts = {
        "sst/sst2_train": rows[:60],
        "sst/sst2_dev": rows[60:80],
        "sst/sst2_test": rows[80:120],
    }
    for name, part in {**parts, "mr/mr": rows[:100]}.items():
        part.to_csv(tmp_path / f"{name}.tsv.gz", sep="\t", index=False)
    small = {"word_size": 4, "hidden_size": 4, "epochs": 1}
    monkeypatch.setattr(sentiment, "TextClassifier", lambda **more: TextClassifier(**small, **more))
    fits = []
    run = Fit.run
    monkeypatch.setattr(Fit, "run", lambda fit: fits.append(fit) or run(fit))
    return argparse.Namespace(reviews=tmp_path, only="", seeds=1, folds=2), fits


def test_what_is_measured_was_never_learned_from(reviews, capsys):
    args, fits = reviews
    rows = {(row.case, row.metric): row for row in sentiment.run(args)}
    assert rows["sst2", "accuracy"].peer_value == 83.5
    assert all(0 <= row.value <= 100 for row in rows.values() if row.unit == "%")
    sst, *folds = fits
    assert (len(sst.parts.training), len(sst.parts.validation)) == (60, 20)
    assert len(sst.data.texts) == 80
    tested = []
    for fold in folds:
        used = {*fold.parts.training, *fold.parts.validation}
        assert (len(fold.parts.training), len(used)) == (81, 90)
        tested += sorted(set(range(100)) - used)
    assert len(tested) == len(set(tested)) == 20
    assert capsys.readouterr().out.count("held out") == 3
