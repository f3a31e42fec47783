"""The estimator on its sample: what it learns, says, and refuses."""

import csv
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import torch

from recurra.cli import main
from recurra.errors import DataError, MissingFileError, OptionError
from recurra.tasks import TextClassifier
from recurra.tasks.text_classify.network import answer

TASK = "text-classify"
ASKED = ["The pie was not stale.", "The pie was stale.", "The pie was wonderful.", "", "Xyz!"]


@pytest.fixture(scope="module")
def one(trained):
    return trained(TASK)


def test_it_learns_what_counts_cannot_know(one):
    measures = one.estimator.measures_
    assert measures.metrics["accuracy"] > 0.9
    assert measures.metrics["accuracy"] > measures.baselines["naive bayes"]["accuracy"]
    assert measures.about == "on 24 texts of reviews.csv, held out"
    assert measures.verdict.startswith("the model wins")
    assert {"ece", "ece_uncalibrated"} <= set(measures.metrics)


def test_an_answer_is_a_label_its_probability_and_a_reason(one):
    found = one.estimator.predict(ASKED)
    assert list(found) == ["text", "label", "confidence", "because", "p_bad", "p_good"]
    assert found["text"].tolist() == ASKED
    assert found["label"].tolist()[:3] == ["good", "bad", "good"]
    np.testing.assert_allclose(found["p_bad"] + found["p_good"], 1)
    np.testing.assert_allclose(found["confidence"], found[["p_bad", "p_good"]].max(axis=1))
    assert "not" in found["because"][0].split(", ")
    assert "wonderful" in found["because"][2].split(", ")
    assert found["because"][3] == ""


def test_a_text_alone_and_among_longer_ones_is_answered_alike(one):
    texts = [*ASKED, " ".join(ASKED * 20), *pd.read_csv(one.data)["text"][:50]]
    together = one.estimator.predict(texts)
    for place in range(6):
        alone = one.estimator.predict(texts[place : place + 1])
        assert alone["label"][0] == together["label"][place]
        assert alone["p_bad"][0] == pytest.approx(together["p_bad"][place], abs=1e-6)


def test_files_frames_and_lists_are_one(one, tmp_path):
    frame = pd.read_csv(one.data)
    fields = {**one.fields, "text": None, "epochs": 1}
    again = TextClassifier(**fields).fit((frame["text"].tolist(), frame["label"].to_numpy()))
    assert again.data_["sha256"] == one.estimator.data_["sha256"]
    pd.testing.assert_frame_equal(one.estimator.predict(frame), one.estimator.predict(one.data))
    text = tmp_path / "asked.txt"
    text.write_text("\n".join(ASKED) + "\n")
    pd.testing.assert_frame_equal(one.estimator.predict(text), one.estimator.predict(ASKED))


def test_a_validation_file_is_halved(one, tmp_path, capsys):
    frame = pd.read_csv(one.data)
    frame[:180].to_csv(tmp_path / "a.csv", index=False)
    frame[180:].to_csv(tmp_path / "b.csv", index=False, quoting=csv.QUOTE_ALL)
    fields = {**one.fields, "epochs": 1, "quiet": False}
    found = TextClassifier(**fields).fit(tmp_path / "a.csv", valid=tmp_path / "b.csv")
    assert found.measures_.about == "on 30 texts of a.csv, held out"
    told = capsys.readouterr().err.splitlines()
    words = ["found", "found", "split", "model", "epoch", "learned", "blended"]
    assert [line.split()[0] for line in told] == words
    assert told[2].startswith("split     180 texts to learn from, 30 to validate, 30 to test; ")


def test_measuring_asks_for_labels_that_were_learned(one):
    found = one.estimator.measure((["fine"], ["good"]))
    assert found.about == "on 1 texts of the lists"
    with pytest.raises(DataError, match='the label "ugly" was never learned; known are bad, good'):
        one.estimator.measure((["fine"], ["ugly"]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cell": "gruu"}, '--cell is "gruu"; what fits: '),
        ({"cell": "conv_lstm"}, '--cell is "conv_lstm"'),
        ({"pooling": ("max", "median")}, "--pooling is 'max,median'; it is one or more of"),
        ({"pooling": ()}, "--pooling is ''"),
        ({"dropout": 1.0}, "--dropout is 1.0"),
        ({"word_dropout": -0.1}, "--word-dropout is -0.1"),
        ({"label_smoothing": 1.0}, "--label-smoothing is 1.0"),
        ({"hidden_size": 0}, "--hidden-size is 0; it is 1"),
        ({"min_count": 0}, "--min-count is 0"),
        ({"most_words": 0}, "--most-words is 0"),
        ({"batch_size": 0}, "--batch-size is 0; it is 1"),
        ({"text": "label", "label": "label"}, '--text and --label are both "label"'),
    ],
)
def test_a_field_that_does_not_fit_is_told_before_anything_is_learned(one, fields, message):
    with pytest.raises(OptionError, match=message):
        TextClassifier(**{**one.fields, **fields}).fit(one.data)


def test_data_that_cannot_be_learned_from():
    classifier = TextClassifier(quiet=True)
    with pytest.raises(DataError, match="has one class alone"):
        classifier.fit((["a", "b"], ["x", "x"]))
    with pytest.raises(DataError, match="no class with 3"):
        classifier.fit((["a", "b", "c", "d"], ["x", "x", "y", "y"]))
    with pytest.raises(DataError, match='the label "z" is only in what is held out'):
        classifier.fit((["a", "b"] * 3, ["x", "y"] * 3), valid=(["a", "b"], ["x", "z"]))
    with pytest.raises(MissingFileError, match="no such file"):
        classifier.fit("nowhere.csv")


def test_the_lesson_gives_every_text_once_and_its_loss_is_the_weighted_mean(one):
    lesson = TextClassifier(**{**one.fields, "label_smoothing": 0.1}).lesson(one.data)
    batches = list(lesson.batches(1, 0))
    assert len(batches) == lesson.steps == 12
    assert sum(len(batch.target) for batch in batches) == 192
    assert len(list(lesson.batches(1, 8))) == 4
    lesson.model.eval()
    batch = batches[0]._replace(weight=torch.arange(16.0))
    logs = torch.log_softmax(lesson.model(batch.texts), dim=1)
    targets = 0.9 * torch.eye(2)[batch.target] + 0.05
    expected = (-(targets * logs).sum(dim=1) * batch.weight).sum() / 120
    torch.testing.assert_close(lesson.loss(batch), expected)
    assert lesson.weight(batch) == 120


def test_long_texts_are_cut_and_that_is_told(one, capsys):
    fields = {**one.fields, "epochs": 1, "most_words": 4, "quiet": False}
    found = TextClassifier(**fields).fit(one.data)
    assert "texts after 4 words; --most-words N reads more" in capsys.readouterr().err
    learned = found.learned_
    corpus = learned.reader.read(["a b c d e f"])
    assert corpus.lengths.tolist() == [4]
    assert answer(learned.network, corpus, corpus.texts, learned.setting).shape == (1, 2)


def test_pictures(one, tmp_path):
    found = one.estimator.predict([*ASKED, "costs $5 and $6 भाषा 👍"])
    for name, data in {"bars.png": None, "bars.svg": ASKED, "confusion.png": one.data}.items():
        answered = one.estimator.predict(one.data) if data == one.data else found
        one.estimator.plot(answered, tmp_path / name, data)
        assert (tmp_path / name).stat().st_size > 1000
    assert (tmp_path / "confusion.png").read_bytes() != (tmp_path / "bars.png").read_bytes()
    one.estimator.plot_history(tmp_path / "history.png")
    assert (one.folder / "confusion.png").is_file()


def test_the_command_reads_lines_from_standard_input(one, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", StringIO("The pie was stale.\r\nA lovely soup\n"))
    assert main(["predict", str(one.folder)]) == 0
    answered = pd.read_csv(StringIO(capsys.readouterr().out))
    assert answered["text"].tolist() == ["The pie was stale.", "A lovely soup"]
    expected = one.estimator.predict(answered["text"].tolist())
    np.testing.assert_allclose(answered["p_good"], expected["p_good"], rtol=1e-6)
    monkeypatch.setattr("sys.stdin", StringIO(""))
    assert main(["predict", str(one.folder)]) == 2
    assert "recurra: the list: no texts" in capsys.readouterr().err
