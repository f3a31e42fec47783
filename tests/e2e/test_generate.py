"""`recurra generate` and `evaluate --show-surprise`, through the real commands."""

import io
import os
import re
import signal
import subprocess
import sys

import pytest

from recurra.cli import main
from recurra.cli import surprise as colours

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def run(trained):
    return str(trained("language").folder)


@pytest.fixture
def model(trained):
    return trained("language").estimator


@pytest.fixture
def shown(capsys):
    """What a command prints."""

    def printed(*arguments, status=0):
        assert main([*map(str, arguments)]) == status
        return capsys.readouterr().out

    return printed


def test_the_prompt_and_what_follows_are_printed(run, model, shown):
    options = ["--prompt", "the ", "--length", "40", "--seed", "3", "--top-p", "0.9"]
    text = "the " + "".join(model.generate("the ", length=40, seed=3, top_p=0.9))
    assert shown("generate", run, *options).removesuffix("\n") == text.removesuffix("\n")


def test_samples_stand_under_their_seeds(run, model, shown, tmp_path):
    options = ["--length", "20", "--samples", "2", "--seed", "5", "--temperature", "0.5"]
    found = shown("generate", run, *options)
    alone = ["".join(model.generate(length=20, seed=s, temperature=0.5)) for s in (5, 6)]
    one, two = (text.removesuffix("\n") for text in alone)
    assert found == f"--- sample 1, seed 5\n{one}\n--- sample 2, seed 6\n{two}\n"
    assert shown("generate", run, *options, "-o", tmp_path / "x.txt") == ""
    assert (tmp_path / "x.txt").read_text() == found


def test_surprise_is_a_line_a_token_where_there_are_no_colours(run, shown, tmp_path):
    found = shown("generate", run, "--prompt", "the", "--length", "6", "--show-surprise")
    assert len(found.splitlines()) == 6
    assert all(re.fullmatch(r"[^\t]+\t\d+\.\d{4}", line) for line in found.splitlines())
    shown("generate", run, "--prompt", "the", "--length", "6", "--show-surprise", "-o",
          tmp_path / "x")  # fmt: skip
    assert (tmp_path / "x").read_text() == found


def test_surprise_of_a_text_is_what_scoring_says(run, model, shown, tmp_path):
    (tmp_path / "x.txt").write_text("the ß\n")
    found = shown("evaluate", run, tmp_path / "x.txt", "--show-surprise")
    scored = model.score("the ß\n", errors="replace")
    assert found == "".join(f"{one.token}\t{one.nats:.4f}\n" for one in scored)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_colours_unless_told_otherwise(run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    command = ["generate", run, "--length", "12", "--show-surprise"]
    assert main(command) == 0
    *text, legend = sys.stdout.getvalue().splitlines()
    assert "\x1b[30;48;5;" in "".join(text)
    assert ANSI.sub("", legend) == "nats  0  1  2  3  4  5  6  7 and more"
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(command) == 0
    assert "\x1b" not in sys.stdout.getvalue()


def test_a_shade_is_a_nat_and_no_line_end_carries_colour():
    assert colours.shaded("a", 0.9) == "\x1b[30;48;5;231ma\x1b[0m"
    assert colours.shaded("a", 99.0) == "\x1b[30;48;5;196ma\x1b[0m"
    on = "\x1b[30;48;5;230m"
    assert colours.shaded("a\nb", 1.0) == f"{on}a↵\x1b[0m\n{on}b\x1b[0m"
    assert colours.shaded("", 1.0) == ""


def test_lines_that_are_typed_go_on(run, model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the ß\nthe\n\n/new\nthe\n"))
    assert main(["generate", run, "--interactive", "--length", "5", "--temperature", "0"]) == 0
    out, err = capsys.readouterr()
    hint, unknown = err.splitlines()
    assert hint.endswith("Ctrl-D ends")
    assert unknown.startswith("recurra: prompt: 'ß' (U+00DF) at character 4 is not in the")
    # Greedy, so that what was forgotten is said again.
    first = "".join(model.generate("the", length=5, temperature=0.0))
    assert out.startswith(first)
    assert out.removesuffix("\n").removesuffix("\n").endswith(first.removesuffix("\n"))


def test_a_run_of_another_task_is_refused(trained, capsys):
    folder = str(trained("forecast").folder)
    assert main(["generate", folder]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"recurra: {folder}: ")
    assert "forecast" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prompt", "ß"], "prompt: 'ß' (U+00DF) at character 0 is not in the vocabulary"),
        (["--prompt", "\udcff"], "prompt: '\\udcff' (U+DCFF) at character 0 is not"),
        (["--length", "-1"], "--length is -1; it is at least 1 token, or 0 for no end"),
        (["--samples", "0"], "--samples is 0; it is at least 1"),
        (["--samples", "2", "--length", "0"], "--length is missing"),
        (["--samples", "2", "--interactive"], "--interactive shows one text; leave out"),
        (["--interactive", "-o", "x"], "--interactive writes to the terminal; leave out --out"),
        (["--temperature", "-1"], "--temperature is -1.0; 0 fits"),
    ],
)
def test_flags_that_do_not_fit(run, capsys, options, words):
    assert main(["generate", run, *options]) == 2
    assert capsys.readouterr().err.startswith(f"recurra: {words}")


def test_what_is_no_text_is_replaced_where_asked_for(run, shown):
    found = shown("generate", run, "--prompt", "the \udcff", "--errors", "replace", "--length", 2)
    assert found.startswith("the \ufffd")


def test_surprise_is_of_language_models(trained, capsys):
    one = trained("forecast")
    assert main(["evaluate", str(one.folder), str(one.data), "--show-surprise"]) == 2
    assert "--show-surprise fits language models; " in capsys.readouterr().err


def test_ctrl_c_ends_it_cleanly(environment, run):
    """The signal comes once the first bytes have been seen, of a text without end."""
    command = [sys.executable, "-m", "recurra", "generate", run, "--length", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert len(process.stdout.read(5)) == 5
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (130, b"")
    assert out.endswith(b"\n")


def test_a_reader_that_leaves_is_no_error(run, monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        assert main(["generate", run, "--length", "0"]) == 0
    assert capsys.readouterr().err == ""
