"""Bad texts, labels and tags: one line says what, where and what mends it; nothing is written."""

import shutil

import pytest

from recurra.cli import main
from recurra.train import Checkpoint
from recurra.train.checkpoint import write_checkpoint

TEXT = ("train", "language")
LABELS = ("train", "text-classify")
TAGS = ("train", "tag")
ROWS = b"text,label\nso good,1\nso bad,0\n"

BAD = {
    "an empty text": (TEXT, "x.txt", b"", "x.txt: is empty; it takes some text"),
    "a text of bytes": (TEXT, "x.txt", b"ab\0c", "x.txt: a NUL byte at offset 2; it is no text"),
    "a text that is no UTF-8": (
        TEXT,
        "x.txt",
        b"caf\xe9 au lait",
        "x.txt: byte 0xe9 at offset 3 is no UTF-8; --errors replace goes on with U+FFFD",
    ),
    "an empty table": (LABELS, "x.csv", b"", "x.csv: empty; it takes a text and its label a row"),
    "a table of bytes": (
        LABELS,
        "x.csv",
        b"text,label\na\0b,x\n",
        "x.csv: byte 12 is 0, which no text holds; save it as UTF-8",
    ),
    "a table that is no UTF-8": (
        LABELS,
        "x.csv",
        b"text,label\ncaf\xe9,x\n",
        "x.csv: byte 14 (0xe9) is no UTF-8; save it as UTF-8, or --errors replace puts � in the "
        "place of such bytes",
    ),
    "rows of unequal columns": (
        LABELS,
        "x.csv",
        ROWS + b"so,so,2\n",
        "x.csv: line 4 has 3 fields, the header has 2 (text, label); a text that holds the "
        "separator stands in quotes in a CSV",
    ),
    "one class alone": (
        LABELS,
        "x.csv",
        b"text,label\nso good,1\nso nice,1\n",
        'x.csv: column "label" has one class alone, "1"; it takes two or more, or another --label '
        "COLUMN",
    ),
    "labels that are missing": (
        LABELS,
        "x.csv",
        ROWS + b"who knows,\nso so,1\nnobody, \n",
        "x.csv: 2 of 5 rows have no label, row 4 the first; fill it in, or --missing drop leaves "
        "them out",
    ),
    "no sentence": (TAGS, "x.conll", b"\n", "x.conll: empty; it takes CoNLL-U or CoNLL, a word a "
                    "line"),
    "sentences of bytes": (
        TAGS,
        "x.conll",
        b"a X\nb\0 Y\n",
        "x.conll: binary, a zero at byte 5; it takes CoNLL as UTF-8 text",
    ),
    "sentences that are no UTF-8": (
        TAGS,
        "x.conll",
        b"caf\xe9 X\n",
        "x.conll: no UTF-8 at byte 3; save it as UTF-8",
    ),
    "tags of unequal columns": (
        TAGS,
        "x.conll",
        b"a X\nb Y\n\nc\n",
        "x.conll: line 4 has 1 column, line 1 has 2",
    ),
}  # fmt: skip


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """A language model's run, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(trained("language").folder, tmp_path / "run")


@pytest.fixture
def line(run, capfd):
    """Run a command that must be refused: its one line. All files stay as they were."""

    def files():
        every = (path for path in run.parent.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in every}

    def command(*arguments):
        before = files()
        assert main([*map(str, arguments)]) == 2
        printed, said = capfd.readouterr()
        assert printed == ""
        assert said.startswith("recurra: ")
        assert said.count("\n") == 1
        assert files() == before
        return said.removeprefix("recurra: ").removesuffix("\n")

    return command


@pytest.mark.parametrize("bad", BAD)
def test_data_that_cannot_be_learned_from(line, tmp_path, bad):
    command, name, content, said = BAD[bad]
    (tmp_path / name).write_bytes(content)
    assert line(*command, name, "--out", "run", "--overwrite", "--quiet") == said


def test_a_prompt_of_unknown_characters_is_mended_by_what_is_said(line, run, capfd):
    said = line("generate", run, "--prompt", "the ß and Ω", "--length", 3)
    assert said == (
        "prompt: 'ß' (U+00DF) at character 4 is not in the vocabulary, nor 'Ω'; --errors replace "
        "puts U+FFFD there"
    )
    assert main(["generate", str(run), "--prompt", "the ß", "--length", "3", "--errors",
                 "replace"]) == 0  # fmt: skip
    assert capfd.readouterr().out.startswith("the ß")


def test_a_run_of_another_task(line, trained):
    folder = trained("tag").folder
    said = line("generate", folder)
    assert said == f"{folder}: a run of the task 'tag', not of 'language'"
    data = trained("tag").data
    said = line("train", "tag", data, "--encoder", folder, "--out", "run", "--overwrite")
    assert said == (
        f"--encoder takes the run folder of a language model; {folder}: a run of the task 'tag', "
        "not of 'language'"
    )


def test_several_files_for_a_task_that_takes_one(line, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("date,y\n2024-01-01,1\n")
    said = line("train", "forecast", "a.csv", "b.csv", "--out", "run", "--overwrite")
    assert said == "forecast: takes one file, got 2: a.csv, b.csv"


@pytest.mark.parametrize("data", [["a.txt", 1], [], 1, {"a.txt": "b.txt"}])
def test_a_checkpoint_that_names_no_files(line, run, tmp_path, data):
    about = {"task": "language", "fields": {}, "data": data, "valid": None}
    write_checkpoint(Checkpoint({}, {"about": about}), tmp_path / "begun")
    assert line("train", "language", "--resume", "begun") == (
        "begun: its checkpoint does not say what it learns from; go on in Python, with "
        "Course(folder=…, resume=True)"
    )
