"""From parallel files to translations, by the commands."""

import io
import json
import os
import shutil
import sys

import pytest

from recurra.cli import main
from recurra.cli.coming import LINE, coming
from recurra.errors import DataError
from recurra.tasks import load

LEAST = ("--hidden-size", "8", "--embedding-size", "4", "--vocab-size", "300", "--epochs", "1",
         "--beam", "2")  # fmt: skip


class Slow(io.RawIOBase):
    """Gives one part at a time."""

    def __init__(self, parts):
        self.parts = list(parts)

    def readable(self):
        return True

    def readinto(self, buffer):
        part = self.parts.pop(0) if self.parts else b""
        buffer[: len(part)] = part
        return len(part)


@pytest.fixture
def run(trained, tmp_path, monkeypatch, capfd):
    """Run a command where train.en, train.de, and a run are; its status and lines."""
    monkeypatch.chdir(tmp_path)
    one = trained("translate")
    shutil.copytree(one.folder, "run")
    pairs = [line.split("\t") for line in one.data.read_text().splitlines()]
    for name, part in {"train": pairs[:80], "valid": pairs[80:90], "new": pairs[90:93]}.items():
        for place, language in enumerate(("en", "de")):
            text = "".join(f"{pair[place]}\n" for pair in part)
            (tmp_path / f"{name}.{language}").write_text(text)

    def command(*arguments):
        capfd.readouterr()
        status = main([*map(str, arguments)])
        printed, said = capfd.readouterr()
        return status, printed.splitlines(), said.splitlines()

    return command


def test_from_two_files_to_a_measured_run(run, tmp_path):
    files = ("train.en", "train.de", "--valid", "valid.en", "valid.de")
    status, shown, told = run("train", "translate", *files, *LEAST)
    assert status == 0
    assert told[:2] == [
        "found     train.en, train.de: 80 pairs",
        "split     80 pairs to learn from, 5 to validate, 5 to test",
    ]
    assert [line.split()[0] for line in told[2:]] == ["tokens", "model", "epoch", "learned"]
    assert shown[0].startswith("measured  on what was held out: 5 pairs; BLEU nrefs:1|case:mixed|")
    assert shown[1].split() == ["BLEU", "CHRF", "NATS"]
    rows = ["model", "the most similar example", "the source itself"]
    assert [row[10:].startswith(name) for row, name in zip(shown[2:5], rows, strict=True)] == [
        True, True, True,
    ]  # fmt: skip
    assert shown[5].startswith("verdict   the ")
    assert shown[6] == "saved     runs/train-1"
    assert sorted(os.listdir("runs/train-1")) == [
        "history.jsonl", "model.safetensors", "run.json", "training.png",
    ]  # fmt: skip

    assert shown[7].startswith("next      recurra predict runs/train-1 train.en --beam 5 -o ")
    status, shown, told = run(*shown[7].split()[2:])
    assert (status, shown) == (0, [])
    assert told == ["drawn     attention.svg", "written   answers.txt"]
    assert len((tmp_path / "answers.txt").read_text().splitlines()) == 80
    assert (tmp_path / "attention.svg").read_text().startswith("<?xml")

    status, shown, told = run("evaluate", "runs/train-1", "new.en", "new.de", "--json")
    assert (status, told) == (0, [])
    assert json.loads(shown[0])["baselines"]["the source itself"]["nats"] is None


def test_each_line_is_answered_when_it_is_there(run, monkeypatch):
    lines = ["the fox sees the queen .", "", "the child hears the fox ."]
    text = "".join(f"{line}\n" for line in lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    status, shown, told = run("predict", "run", "--beam", 3, "--n-best", 2, "--plot", "x.png")
    assert (status, told) == (0, ["drawn     x.png"])
    answer = load("run").predict(lines, beam=3, n_best=2)
    assert [line.split("\t")[0] for line in shown] == ["1", "2", "1", "1", "2"]
    assert [line.split("\t")[2] for line in shown] == answer["target"].tolist()


@pytest.fixture
def given(monkeypatch):
    """Put bytes, some at a time, on standard input."""

    def put(*parts: bytes):
        stream = io.BufferedReader(Slow(parts))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))

    return put


def test_a_line_is_numbered_and_written_the_same_however_lines_come(run, given, tmp_path):
    given(b"\n", b"the fox\nthe queen", b" sees\n")
    status, shown, told = run("predict", "run", "--n-best", 2, "--attention", "x.svg")
    assert (status, told) == (0, ["drawn     x.svg"])
    assert shown[0] == "1\t0.0000\t"
    given(b"\nthe fox\nthe queen sees\n")
    assert run("predict", "run", "--n-best", 2, "-o", "all.txt")[0] == 0
    assert (tmp_path / "all.txt").read_text().splitlines() == shown


def test_what_does_not_fit_on_standard_input_is_told_by_its_line(run, given):
    for parts, options, answers, said in (
        ((b"a\n", b"a" * 2001), (), 1, "standard input: line 2 has 2,001 characters, the model "),
        ((b"a\n", b"caf\xe9\n"), ("-o", "x"), 0, "standard input: line 2: byte 0xe9 is no UTF-8"),
        ((b"\n", b" \n"), ("--plot", "x.png"), 2, "x.png: there is no answer to draw; every text"),
    ):
        given(*parts)
        status, shown, told = run("predict", "run", *options)
        assert (status, len(shown), len(told)) == (2, answers, 1)
        assert told[0].startswith(f"recurra: {said}")


def test_answers_are_drawn_by_their_line(run, given):
    hot = ("predict", "run", "--temperature", 9, "--n-best", 3)
    lines = [b"the fox\n", b"the fox\n"]
    given(*lines)
    status, shown, _ = run(*hot)
    assert (status, len(shown)) == (0, 6)
    given(b"".join(lines))
    assert run(*hot)[1] == shown
    given(*lines)
    assert run(*hot, "--seed", 1)[1] != shown


def test_standard_input_is_read_as_a_file_is_and_options_before_it(run, given):
    given(b"the fox sees the queen .\n")
    _, alone, _ = run("predict", "run", "--n-best", 2)
    given(b"the fox sees the queen .\tnot read\n")
    status, beside, _ = run("predict", "run", "--n-best", 2)
    assert (status, beside) == (0, alone)
    given(b"")
    status, _, told = run("predict", "run", "--beam", 0)
    assert (status, told) == (2, ["recurra: --beam is 0; it is 1 … 1000"])


def test_lines_come_as_they_come():
    parts = [b"\xef\xbb\xbfa b\r\nc", b"\xc3", b"\xa9\n\n", b"d"]
    assert list(coming(io.BufferedReader(Slow(parts)))) == [["a b"], ["cé", ""], ["d"]]
    with pytest.raises(DataError, match="standard input: line 2: byte 0xe9 is no UTF-8"):
        list(coming(io.BytesIO(b"a\ncaf\xe9\n")))
    assert list(coming(io.BytesIO(b"caf\xe9\n"), "replace")) == [["caf�"]]


def test_a_line_without_an_end_is_not_waited_for():
    class Endless(io.RawIOBase):
        """Gives the same letter forever."""

        read = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.read += len(buffer)
            assert self.read < 2 * LINE
            buffer[:] = b"a" * len(buffer)
            return len(buffer)

    with pytest.raises(DataError, match="standard input: line 1 has more than 1,048,576 bytes; a "):
        list(coming(io.BufferedReader(Endless())))
    (whole,) = coming(io.BytesIO(b"a" * (LINE - 1)))
    assert len(whole[0]) == LINE - 1


def test_a_training_on_two_files_goes_on(run, tmp_path):
    files = ("train.en", "train.de", "--valid", "valid.en", "valid.de")
    status, _, _ = run("train", "translate", *files, *LEAST, "--minutes", 1e-6, "--out", "cut")
    assert status == 0
    shutil.copytree(tmp_path / "cut" / "checkpoint", tmp_path / "begun" / "checkpoint")
    status, shown, told = run("train", "translate", "--resume", "begun", "--minutes", 5)
    assert status == 0, told
    assert shown[0].startswith("measured  on what was held out: 5 pairs")


REFUSED = {
    "unequal files": (
        ("train", "translate", "train.en", "new.de"),
        "train.en: 80 lines, new.de: 3 lines; line n of one belongs to line n of the other",
    ),
    "three files": (
        ("train", "translate", "train.en", "train.de", "new.de"),
        "3 files; it takes two of as many lines, or one with two columns between tabs",
    ),
    "no file": (("train", "translate", "gone.en", "train.de"), "gone.en: no such file; it takes"),
    "a long line": (
        ("train", "translate", "train.en", "train.de", "--max-length", 20),
        "train.en, train.de: ",
    ),
    "no beam": (("predict", "run", "new.en", "--beam", 0), "--beam is 0; it is 1 … 1000"),
    "more answers than beams": (
        ("predict", "run", "new.en", "--beam", 2, "--n-best", 3),
        "--n-best is 3; it is 1 … 2, as --beam is 2",
    ),
    "columns of another task": (
        ("predict", "run", "new.en", "--target", "x"),
        "--target fits forecasts; run is a run of translate",
    ),
    # Before anything is read: there is no such file.
    "no picture": (("predict", "run", "gone", "--attention", "x.doc"), "x.doc: what fits is"),
    "a seed of nothing": (
        ("predict", "run", "new.en", "--seed", 1),
        "--seed is 1, and nothing is drawn; --temperature draws",
    ),
    "no heat": (
        ("predict", "run", "new.en", "--temperature", -1),
        "--temperature is -1.0; 0 fits, for the likeliest token, and 0.001 … 1000",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_a_line(run, name):
    command, expected = REFUSED[name]
    status, shown, told = run(*command)
    assert (status, shown, len(told)) == (2, [], 1)
    assert told[0].startswith(f"recurra: {expected}")


def test_options_of_translations_do_not_fit_other_runs(run, trained):
    folder = trained("tag").folder
    for flag, value in {
        "--beam": 3,
        "--n-best": 2,
        "--attention": "x.svg",
        "--seed": 1,
        "--temperature": 1,
    }.items():
        status, _, told = run("predict", folder, trained("tag").data, flag, value)
        said = f"{flag} fits translating and rewriting; {folder} is a run of tag"
        assert (status, told) == (2, [f"recurra: {said}"])
