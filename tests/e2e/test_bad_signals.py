"""Bad sequences, labels and files: one line says what, where and what mends it."""

import numpy as np
import pytest
import soundfile

from recurra.cli import main

LEAST = ("--epochs", "1", "--hidden-size", "4", "--quiet")
HEAD = "id,time,x,label\n"


def rows(*sequences):
    """Sequences of two steps, each `(name, label)`."""
    lines = (f"{name},{t},{t}.5,{label}\n" for name, label in sequences for t in range(2))
    return HEAD + "".join(lines)


FINE = [(f"s{number}", "ab"[number % 2]) for number in range(12)]
HOLE = rows(*FINE).replace("s3,1,1.5", "s3,1,")
TABLES = {
    "a value that is missing": (
        HOLE,
        'x.csv: sequence "s3", step 1, channel "x" is missing (NaN); train with --missing mark, '
        "interpolate, mean or cell, which say what becomes of it",
    ),
    "one class": (
        rows(*((name, "a") for name, _ in FINE)),
        'x.csv: one class alone, "a"; it takes two or more, or another --label',
    ),
    "a sequence with two labels": (
        rows(*FINE) + "s0,7,1.0,b\n",
        'x.csv: column "label": "s0" has "a" and in row 26 "b"; a sequence has one, or --per-step '
        "takes one a step",
    ),
    "no label": ("id,time,x\ns0,0,1\n", "--label COLUMN"),
}


@pytest.fixture
def line(tmp_path, monkeypatch, capfd):
    """Run a command that must be refused: its one line; no run is written."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        assert main([*map(str, arguments)]) == 2
        printed, said = capfd.readouterr()
        assert printed == ""
        assert said.count("\n") == 1, said
        assert not (tmp_path / "runs").exists()
        return said.removeprefix("recurra: ").removesuffix("\n")

    return command


@pytest.mark.parametrize("bad", TABLES)
def test_tables_that_cannot_be_learned_from(line, tmp_path, bad):
    content, said = TABLES[bad]
    (tmp_path / "x.csv").write_text(content)
    assert said in line("train", "classify", "x.csv", *LEAST)


def test_what_is_missing_is_mended_by_what_is_said(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text(HOLE)
    assert main(["train", "classify", "x.csv", *LEAST, "--missing", "mark"]) == 0
    assert main(["predict", "runs/x-1", "x.csv"]) == 0
    answers = [line for line in capfd.readouterr().out.splitlines() if line[1:2].isdigit()]
    assert [line.split(",")[0] for line in answers] == [name for name, _ in FINE]


@pytest.fixture
def folder(tmp_path):
    """Files of steps in folders named by their labels."""
    for name, label in FINE:
        (tmp_path / "walks" / label).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "walks" / label / f"{name}.npy", np.ones((3, 2)))
    return tmp_path / "walks"


def test_a_sequence_without_steps_is_named(line, folder):
    np.save(folder / "a" / "s0.npy", np.ones((0, 2)))
    said = line("train", "classify", "walks", *LEAST)
    assert "s0.npy" in said
    assert "no steps" in said


def test_files_of_unequal_widths_are_named(line, folder):
    np.save(folder / "b" / "s1.npy", np.ones((3, 5)))
    said = line("train", "classify", "walks", *LEAST)
    assert said.startswith("unequal numbers of channels: ")
    assert "s1.npy has 5; the other 11 have 2" in said


def test_labels_without_examples_and_examples_without_labels(line, folder, tmp_path):
    every = "".join(f"{name},{label}\n" for name, label in FINE)
    (tmp_path / "more.csv").write_text("id,label\n" + every + "ghost,a\n")
    said = line("train", "classify", "walks", "--labels", "more.csv", *LEAST)
    assert 'labels for "ghost", and no such example in walks' in said
    (tmp_path / "fewer.csv").write_text("id,label\n" + every.replace("s11,b\n", ""))
    said = line("train", "classify", "walks", "--labels", "fewer.csv", *LEAST)
    assert said.startswith("fewer.csv: no label for ")
    assert "s11" in said


def test_sounds_that_cannot_be_read_are_named_and_left_out_when_asked(
    line, tmp_path, monkeypatch, capfd
):
    for name, label in FINE:
        place = tmp_path / "tones" / label
        place.mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(800) * (0.2 if label == "a" else 0.7))
        soundfile.write(place / f"{name}.wav", tone, 8000)
    (tmp_path / "tones" / "a" / "s0.wav").write_bytes(b"RIFF, or so it says")
    said = line("train", "classify", "tones", *LEAST)
    assert "s0.wav" in said
    assert said.endswith("--skip-bad leaves such files out")
    command = ["train", "classify", "tones", "--skip-bad", "--epochs", "1", "--hidden-size", "4"]
    assert main(command) == 0
    assert "left out: 1 of 12 files, the first: " in capfd.readouterr().err


def test_a_video_that_cannot_be_read_is_named(line, tmp_path):
    for label in "ab":
        (tmp_path / "clips" / label).mkdir(parents=True)
        (tmp_path / "clips" / label / "one.mp4").write_bytes(b"no video")
    said = line("train", "classify", "clips", *LEAST)
    assert "one.mp4: cannot be read as video" in said


def test_a_letter_that_is_no_base(line, tmp_path):
    (tmp_path / "x.fasta").write_text(">one a\nACGT\n>two b\nACXT\n")
    said = line("train", "classify", "x.fasta", *LEAST)
    assert "two" in said
    assert '"X"' in said or "'X'" in said


def test_a_label_that_was_never_learned(line, trained, tmp_path):
    text = trained("classify").data.read_text().replace("wave", "zigzag")
    (tmp_path / "x.csv").write_text(text)
    said = line("evaluate", trained("classify").folder, "x.csv")
    assert said == ('x.csv: the label "zigzag" was never learned; known are circle, line, wave')


def test_options_that_do_not_fit(line, trained, tmp_path):
    (tmp_path / "x.csv").write_text(rows(*FINE))
    said = line("train", "classify", "x.csv", *LEAST, "--cell", "gruu")
    assert said.startswith('--cell is "gruu"; what fits: ')
    said = line("train", "classify", "x.csv", *LEAST, "--bands", "9")
    assert said.startswith("numbers: --bands is no option of it")
    said = line("predict", trained("classify").folder, "--because", "nobody")
    assert said.startswith('what was held out: --because "nobody": no such sequence')
    said = line("predict", trained("forecast").folder, "--because", "x")
    assert said.startswith("--because fits answers to sequences; ")
