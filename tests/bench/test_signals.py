"""What the bench of signals promises: what is measured was never learned from, and is counted."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from bench.signals_cases import Case, Outcome, above_baseline, classified, holed, lives
from bench.signals_data import Samples, Split, folds
from bench.signals_scores import accuracy, error, macro_f1, matthews, rmse
from bench.signals_table import CASES

from bench import signals, signals_claims
from recurra.tasks import SequenceClassifier
from recurra.tasks.signals.fitting import Fit

TINY = {"hidden_size": 4, "epochs": 2}


def waves(count):
    """Sequences that rise or fall."""
    drawn = np.random.default_rng(0)
    ways = np.arange(count) % 2
    x = [
        (way * np.linspace(-1, 1, 6)[:, None] + 0.1 * drawn.standard_normal((6, 2)))
        for way in 2 * ways - 1
    ]
    return Samples([steps.astype(np.float32) for steps in x], [["fall", "rise"][w] for w in ways])


@pytest.fixture
def fits(monkeypatch):
    """Every fit on record."""
    found, run = [], Fit.run
    monkeypatch.setattr(Fit, "run", lambda fit: found.append(fit) or run(fit))
    return found


def case(learn, splits, **more):
    return Case("figure", 50.0, 90.0, splits, learn, fields=TINY, **more)


def test_a_fold_is_measured_by_what_never_saw_it(fits, monkeypatch, capsys):
    made = case(classified(accuracy), lambda _: folds(waves(40), 2), folds=True)
    monkeypatch.setattr(signals, "CASES", {"made": made})
    monkeypatch.setattr(signals, "CLAIMS", {})
    args = argparse.Namespace(data=Path("none/there"), only="", seeds=3, epochs=1)
    rows = {row.metric: row for row in signals.run(args)}
    assert rows["asked for"].value == 50
    assert rows["asked for"].peer_value == 90
    assert 0 <= rows["figure"].value <= 100
    assert "spread of 2" in rows
    assert capsys.readouterr().out.count("fold") == 2
    first, second = (
        {steps.tobytes() for steps in map(fit.examples.sequences.row, range(20))} for fit in fits
    )
    assert len(first) == len(second) == 20
    assert not first & second
    assert all(len(fit.examples) == 20 and fit.plan.epochs == 1 for fit in fits)


def test_a_set_that_is_not_there_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(signals, "CLAIMS", {})
    args = argparse.Namespace(
        data=tmp_path / "forecasting", only="^mnist|^splice", seeds=1, epochs=1
    )
    assert list(signals.run(args)) == []
    assert capsys.readouterr().out.count("--data FOLDER says where it is") == 2


def test_an_engine_is_measured_at_its_last_step():
    runs = [np.linspace(0, T, T, dtype=np.float32)[:, None] for T in (4, 7, 5, 6, 8, 5, 4, 6, 7, 5)]
    train = Samples(runs, [np.arange(len(run))[::-1].astype(float) for run in runs])
    found = lives(Split("made", train, Samples(runs[:2], [130.0, 2.0])), TINY | {"quiet": True})
    capped = found.beside["RMSE, true life capped"]
    # What is said is far below both; the first life is 5 above the cap.
    assert found.value - 4 < capped < found.value


def test_the_same_values_are_missing_for_every_cell(fits):
    split = Split("made", waves(40), waves(10))
    found = holed(split, TINY | {"quiet": True, "seed": 1, "measured_on": "validation"})
    names = ["gru over means", "gru_d", "cfc"]
    assert list(found.beside) == names
    assert found.value == max(map(found.beside.get, names[1:])) - found.beside[names[0]]
    holes = [np.isnan(fit.examples.sequences.values) for fit in fits]
    assert all(np.array_equal(hole, holes[0]) for hole in holes)
    assert [fit.setting.cell for fit in fits] == ["gru", "gru_d", "cfc"]


def test_a_figure_stands_above_the_best_baseline():
    test = waves(10)
    split = Split("made", waves(40), test._replace(y=["nobody's", *test.y[1:]]))
    found = above_baseline(split, TINY | {"quiet": True})
    assert found.value == pytest.approx(
        found.beside["macro F1"] - found.beside["baseline's macro F1"]
    )
    # A line tells rises from falls.
    assert found.beside["baseline's macro F1"] == 100


def test_rows_have_the_mean_and_the_spread():
    made = CASES["basic_motions"]
    found = list(signals.rows("x", made, [Outcome(90, 1, {"b": 1}), Outcome(94, 3, {"b": 3})]))
    values = {row.metric: row.value for row in found}
    assert values == {
        "accuracy": 92, "spread of 2": 2, "asked for": 97.5, "b": 2, "minutes, longest": 3,
    }  # fmt: skip


def test_fields_are_fields_of_the_estimator():
    known = set(SequenceClassifier.__dataclass_fields__)
    assert all(set(made.fields) <= known for made in CASES.values())


def test_company_moves_no_answer(monkeypatch):
    monkeypatch.setattr(signals_claims, "NETWORKS", {"gru": {"missing": "mark"}})
    rows = list(signals_claims.invariance("invariance"))
    assert len(rows) == 3
    assert all(row.value <= row.peer_value == 1e-6 for row in rows)


def test_scores():
    assert accuracy(list("aab"), list("aaa")) == pytest.approx(200 / 3)
    assert error(list("aab"), list("aaa")) == pytest.approx(100 / 3)
    assert macro_f1(list("aab"), list("aaa")) == pytest.approx(100 * (4 / 5 + 0) / 2)
    assert matthews(list("1100"), list("1000")) == pytest.approx(1 / 3**0.5)
    assert matthews(list("1100"), list("1111")) == 0
    assert rmse([1, 2], [1, 4]) == pytest.approx(2**0.5)
