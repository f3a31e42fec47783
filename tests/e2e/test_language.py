"""A text through the commands: train, evaluate, predict, and what is refused."""

import json
import os

import pytest

from recurra.cli import main

LEAST = ("--epochs", "1", "--hidden-size", "4", "--streams", "4", "--window", "32")


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run a command in a folder of its own: the exit status, and the lines of both outputs."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        status = main([*arguments])
        printed, said = capfd.readouterr()
        return status, printed.splitlines(), said.splitlines()

    return command


def test_from_a_text_to_a_measured_run(run, trained, tmp_path):
    text = trained("language").data.read_text()
    (tmp_path / "one.txt").write_text(text[:3000])
    (tmp_path / "two.txt").write_text(text[3000:5000])
    status, shown, told = run("train", "language", "one.txt", "two.txt", *LEAST)
    assert status == 0
    assert told[0].startswith("found     one.txt and 1 more: 5,000 characters, 5,002 tokens; ")
    assert told[0].endswith("; 2 files, each a document")
    assert [line.split()[0] for line in told[1:]] == ["split", "model", "epoch", "learned"]
    assert shown[0].startswith("measured  on the end of one.txt and 1 more, held out: ")
    assert shown[1].split() == ["NATS", "BITS", "PER", "CHAR", "PERPLEXITY"]
    assert [row.split()[0] for row in shown[2:5]] == ["model", "unigram", "5-gram"]
    assert shown[5].startswith("verdict   the ")
    assert shown[6:] == [
        "saved     runs/one-1",
        "next      recurra generate runs/one-1 --length 400",
    ]
    names = ["history.jsonl", "model.safetensors", "run.json", "sample.txt", "training.png"]
    assert sorted(os.listdir(tmp_path / "runs" / "one-1")) == names

    status, shown, told = run("evaluate", "runs/one-1", "two.txt", "one.txt", "--json")
    assert (status, told) == (0, [])
    found = json.loads(shown[0])
    assert found["about"].startswith("on two.txt and 1 more: 5,002 tokens, 5,000 characters")
    assert list(found["baselines"]) == ["unigram", "5-gram"]

    status, _, told = run("predict", "runs/one-1", "two.txt", "-o", "x.txt", "--plot", "x.png")
    assert (status, told) == (0, ["drawn     x.png", "written   x.txt"])
    assert 0 < len((tmp_path / "x.txt").read_text()) <= 400


def test_a_text_that_does_not_fit_is_refused_in_a_line(run, tmp_path):
    (tmp_path / "binary").write_bytes(b"\0" * 500)
    status, shown, told = run("train", "language", "binary")
    assert (status, shown) == (2, [])
    assert told == ["recurra: binary: a NUL byte at offset 0; it is no text"]
    assert os.listdir(tmp_path) == ["binary"]
