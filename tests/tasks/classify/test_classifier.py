"""The estimator on its sample: what it learns, says, draws and refuses."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recurra.cli import main
from recurra.errors import DataError, OptionError, UnsupportedError
from recurra.tasks import SequenceClassifier

LISTED = ["name", "label", "confidence", "p_circle", "p_line", "p_wave"]


@pytest.fixture(scope="module")
def one(trained):
    return trained("classify")


@pytest.fixture(scope="module")
def arrays(one):
    """The sample as X and y."""
    parts = [part for _, part in pd.read_csv(one.data).groupby("id", sort=False)]
    return [part[["x", "y"]].to_numpy() for part in parts], [p["label"].iloc[0] for p in parts]


def test_it_learns_its_sample(one):
    measures = one.estimator.measures_
    assert measures.metrics["accuracy"] > 0.7
    assert list(measures.baselines) == [
        "majority",
        "linear on summaries",
        "nearest neighbour, time warped",
    ]
    assert measures.about == "on 9 sequences of gestures.csv, held out"


def test_of_an_archive_with_parts_the_test_part_is_answered(one, arrays, tmp_path):
    parts = {}
    for part, rows in {"train": range(5, 90), "test": range(5)}.items():
        steps = [arrays[0][row] for row in rows]
        parts[f"X_{part}"] = np.concatenate(steps)
        parts[f"X_{part}_offsets"] = np.cumsum([0, *map(len, steps)])
        parts[f"y_{part}"] = np.array([arrays[1][row] for row in rows])
    np.savez(tmp_path / "parts.npz", **parts)
    fields = {**one.fields, "epochs": 1}
    fitted = SequenceClassifier(**fields).fit(tmp_path / "parts.npz")
    assert fitted.measures_.about.endswith("sequences of parts.npz, train, held out")
    assert len(fitted.predict(tmp_path / "parts.npz")) == 5
    assert fitted.measure(tmp_path / "parts.npz").about == "on 5 sequences of parts.npz, test"


def test_a_file_is_answered_by_a_frame_and_arrays_by_an_array(one, arrays):
    frame = one.estimator.predict(one.data)
    assert list(frame) == LISTED
    assert frame["name"].tolist()[:2] == ["g0", "g1"]
    np.testing.assert_allclose(frame[LISTED[3:]].sum(axis=1), 1)
    said = one.estimator.predict(arrays[0])
    assert isinstance(said, np.ndarray)
    assert said.tolist() == frame["label"].tolist()
    np.testing.assert_allclose(one.estimator.predict_proba(arrays[0]), frame[LISTED[3:]])
    assert one.estimator.score(*arrays) == one.estimator.score(one.data)


def test_files_frames_and_arrays_are_learned_alike(one, arrays):
    fields = {**one.fields, "epochs": 1}
    X, y = arrays
    first = SequenceClassifier(**fields).fit(one.data)
    for given in ((pd.read_csv(one.data),), (X, y), ((X, y),)):
        again = SequenceClassifier(**fields).fit(*given)
        assert again.data_["sha256"] == first.data_["sha256"]
        assert again.history_.best.valid_loss == first.history_.best.valid_loss


def test_company_padding_and_order_change_no_answer(one, arrays):
    X = arrays[0][:7]
    whole = one.estimator.predict_proba(X)
    alone = np.concatenate([one.estimator.predict_proba([steps]) for steps in X])
    np.testing.assert_allclose(alone, whole, atol=1e-6)
    np.testing.assert_allclose(one.estimator.predict_proba(X[::-1])[::-1], whole, atol=1e-6)


def test_the_run_folder_has_a_report(one):
    report = json.loads((one.folder / "report.json").read_text())
    assert np.sum(report["confusion"]) == 9
    text = (one.folder / "report.txt").read_text()
    assert text.startswith("measured on 9 sequences")
    assert "class   precision  recall" in text
    for name in ("confusion.png", "calibration.png", "training.png"):
        with Image.open(one.folder / name) as picture:
            picture.verify()


def test_two_classes_have_a_curve(one, arrays, tmp_path):
    X, y = arrays
    two = [(steps, label) for steps, label in zip(X, y, strict=True) if label != "wave"]
    fitted = SequenceClassifier(**{**one.fields, "epochs": 1}).fit(*zip(*two, strict=True))
    fitted.save(tmp_path / "run")
    assert (tmp_path / "run" / "roc.png").is_file()
    assert "area under the ROC of line" in (tmp_path / "run" / "report.txt").read_text()


def test_groups_are_never_split(one, arrays, capsys):
    people = [number // 9 for number in range(90)]
    fields = {**one.fields, "epochs": 1, "quiet": False}
    fitted = SequenceClassifier(**fields).fit(*arrays, people)
    assert "10 groups" in capsys.readouterr().err
    shown = {int(name) // 9 for name in fitted.learned_.shown.names}
    assert len(shown) == 1
    with pytest.raises(DataError, match="come from 2 groups, and none may be split"):
        SequenceClassifier(**fields).fit(*arrays, [number % 2 for number in range(90)])


def test_what_is_held_out_may_be_given(one, arrays, capsys):
    X, y = arrays
    fields = {**one.fields, "epochs": 1, "quiet": False}
    fitted = SequenceClassifier(**fields).fit(X[:60], y[:60], valid=(X[60:], y[60:]))
    assert fitted.measures_.about == "on 15 sequences of the arrays, held out"
    told = capsys.readouterr().err
    assert "60 sequences to learn from, 15 to validate, 15 to test" in told
    whole = SequenceClassifier(**fields, measured_on="validation")
    whole.fit(X[:60], y[:60], valid=(X[60:], y[60:]))
    about = "on 30 sequences of the arrays, which also ended the learning"
    assert whole.measures_.about == about


def test_each_step_may_have_a_label(one):
    random = np.random.default_rng(0)
    X = [random.normal(size=(int(length), 1)) for length in random.integers(3, 8, 30)]
    y = [(steps[:, 0] > 0).astype(int) for steps in X]
    fitted = SequenceClassifier(**{**one.fields, "per_step": True}).fit(X, y)
    said = fitted.predict(X)
    assert len(said) == sum(map(len, X))
    assert (said == np.concatenate(y)).mean() > 0.8
    frame = fitted.predict()
    assert list(frame)[:3] == ["name", "step", "label"]
    assert fitted.measures_.metrics["accuracy"] > 0.8


def test_a_stream_says_at_each_step_what_predict_says_of_all_so_far(one, arrays):
    X, y = arrays
    fitted = SequenceClassifier(**{**one.fields, "epochs": 1, "one_way": True}).fit(X, y)
    stream = fitted.stream()
    for step in range(len(X[0])):
        said = stream.push(X[0][None, step])
        np.testing.assert_allclose(said, fitted.predict_proba([X[0][: step + 1]]), atol=1e-5)
    stream.reset()
    np.testing.assert_allclose(stream.push(X[1][None]), fitted.predict_proba(X[1:2]), atol=1e-5)
    with pytest.raises(UnsupportedError, match="an answer needs the whole sequence"):
        one.estimator.stream()


def test_missing_values_reach_every_kind_of_network(one, arrays):
    random = np.random.default_rng(0)
    X = [np.where(random.random(s.shape) < 0.2, np.nan, s) for s in arrays[0]]
    fields = {**one.fields, "epochs": 1}
    for own in ({"missing": "mark"}, {"missing": "interpolate"}, {"missing": "cell"}):
        fitted = SequenceClassifier(**{**fields, **own}).fit(X, arrays[1])
        assert np.isfinite(fitted.predict_proba(X)).all()
    assert fitted.learned_.setting.cell == "gru_d"
    with pytest.raises(DataError, match="train with --missing mark"):
        one.estimator.predict(X)


def test_what_mattered_is_said_and_drawn(one, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = one.estimator.because(one.data, "g0")
    np.testing.assert_allclose(found.added.sum(), found.score - found.without, rtol=1e-2)
    run = str(one.folder)
    command = ["predict", run, str(one.data), "--because", "g0", "--plot", "why.png"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("channel ")
    with Image.open("why.png") as picture:
        picture.verify()


def test_pictures_of_answers(one, tmp_path):
    for name, data in {"bars.png": None, "confusion.png": one.data}.items():
        one.estimator.plot(one.estimator.predict(data), tmp_path / name, data)
        with Image.open(tmp_path / name) as picture:
            picture.verify()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cell": "gruu"}, '--cell is "gruu"; what fits: '),
        ({"pooling": "median"}, "--pooling is 'median'; it is one or more of"),
        ({"dropout": 1.0}, "--dropout is 1.0"),
        ({"batch_size": 0}, "--batch-size is 0; it is 1"),
        ({"label_smoothing": 1.0}, "--label-smoothing is 1.0"),
        ({"convolution": 4}, "--convolution is 4; an odd width fits"),
        ({"mask_time": 2.0}, "--mask-time is 2.0"),
        ({"missing": "cell", "cell": "lstm"}, "does not take what is missing"),
    ],
)
def test_a_field_that_does_not_fit_is_told_before_anything_is_learned(one, fields, message):
    with pytest.raises(OptionError, match=message):
        SequenceClassifier(**{**one.fields, **fields}).fit(one.data)


def test_answers_that_cannot_be_learned_from(one, arrays):
    X, y = arrays
    classifier = SequenceClassifier(**one.fields)
    with pytest.raises(DataError, match="requires y to be passed"):
        classifier.fit(X)
    with pytest.raises(DataError, match=r"y is continuous, such as 0\.5"):
        classifier.fit(X, [0.5 * number for number in range(90)])
    with pytest.raises(DataError, match='the label "z" is only in what is held out'):
        classifier.fit(X[:60], y[:60], valid=(X[60:64], ["z", "z", "line", "line"]))
