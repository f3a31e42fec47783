"""The real command, killed, terminated and short of room, goes on with the same bits."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from recurra.cli import _parser, main
from recurra.cli.resume import resumed
from recurra.tasks import Forecaster, load
from recurra.train import Checkpoint, checkpoint_file, read_checkpoint
from recurra.train.checkpoint import write_checkpoint

OPTIONS = ("--epochs", "3", "--hidden-size", "8", "--checkpoint-minutes", "0")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table, and a run that nothing disturbed."""
    place = tmp_path_factory.mktemp("survival")
    data = Forecaster.sample(place)
    assert main(["train", "forecast", str(data), "--out", str(place / "whole"), *OPTIONS]) == 0
    return place


def begin(environment, place, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "recurra", "train", "forecast", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=place,
        **options,
    )  # fmt: skip


def steps(run):
    """How far the checkpoint is; None while there is none."""
    if not checkpoint_file(run).is_file():
        return None
    return read_checkpoint(run).facts["count"]["steps"]


def wait(process, run, least):
    while process.poll() is None and (steps(run) or -1) < least:
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()


def weights(run):
    return (run / "model.safetensors").read_bytes()


def test_killed_twice_it_ends_with_the_same_weights(environment, place):
    run = place / "killed"
    first = begin(environment, place, "bakery.csv", "--out", "killed", *OPTIONS)
    wait(first, run, 20)
    first.kill()
    first.communicate()
    reached = steps(run)
    second = begin(environment, place, "--resume", "killed")
    wait(second, run, reached + 20)
    second.kill()
    second.communicate()
    third = begin(environment, place, "--resume", "killed")
    shown, told = third.communicate()
    assert third.returncode == 0, told
    assert "go on" not in shown
    assert weights(run) == weights(place / "whole")
    assert sorted(os.listdir(run)) == sorted(os.listdir(place / "whole"))
    assert not [name for name in os.listdir(place) if name.startswith(".")]


@pytest.mark.parametrize(("blow", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_exits_with_its_status_and_says_how_to_go_on(
    environment, place, capsys, monkeypatch, blow, status
):
    name = f"run {status}"
    run = place / name
    process = begin(environment, place, "bakery.csv", "--out", name, *OPTIONS)
    wait(process, run, 20)
    process.send_signal(blow)
    shown, told = process.communicate()
    assert process.returncode == status, told
    assert "Traceback" not in told
    command = f"recurra train forecast --resume 'run {status}'"
    if blow is signal.SIGTERM:
        assert told.splitlines()[-1].startswith("recurra: training: ended by SIGTERM after ")
        assert told.splitlines()[-1].endswith(f"go on with {command}")
    else:
        assert f"go on     {command}" in shown
        assert load(run).interrupted_
    monkeypatch.chdir(place)
    assert main(["train", "forecast", "--resume", name]) == 0
    assert weights(run) == weights(place / "whole")
    assert not checkpoint_file(run).exists()
    capsys.readouterr()


def test_where_there_is_no_more_room_the_checkpoint_before_stays(environment, place):
    """A limit on the size of files, which every user may set, refuses as a full disk does."""
    run = place / "small"
    shutil.copytree(place / "whole", run)
    least = 60_000

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, least))

    process = begin(
        environment, place, "bakery.csv", "--out", "small", "--overwrite", *OPTIONS,
        "--hidden-size", "64", preexec_fn=limit,
    )  # fmt: skip
    _, told = process.communicate()
    assert process.returncode == 2
    said = told.splitlines()[-1]
    assert said.startswith(
        f"recurra: {checkpoint_file(run.relative_to(place))}: no checkpoint written: File too"
    )
    assert "make room" in said
    assert weights(run) == weights(place / "whole"), "the old run is as it was"


def test_resume_refuses_what_does_not_fit(environment, place, capsys, monkeypatch):
    monkeypatch.chdir(place)

    def said(*arguments):
        assert main(["train", "forecast", *arguments]) == 2
        return capsys.readouterr().err

    assert "DATA is missing" in said()
    assert "none: no checkpoint to go on from" in said("--resume", "none")
    assert "its training has ended" in said("--resume", "whole")
    process = begin(environment, place, "bakery.csv", "--out", "begun", *OPTIONS)
    wait(process, place / "begun", 5)
    process.kill()
    process.communicate()
    assert "begun: its training has not ended" in end(["predict", "begun"], capsys)
    assert "--hidden-size is 9, the training began with 8" in said(
        "--resume", "begun", "--hidden-size", "9"
    )
    # Also where what is given is the field's default.
    assert "--hidden-size is 128, the training began with 8" in said(
        "--resume", "begun", "--hidden-size", "128"
    )
    arguments = ["train", "forecast", "--resume", "begun", "--epochs", "30", "--quiet"]
    estimator, *_ = resumed(_parser(arguments).parse_args(arguments))
    assert (estimator.epochs, estimator.quiet, estimator.hidden_size) == (30, True, 8)
    assert "--out does not go with --resume" in said("--resume", "begun", "--out", "x")
    checkpoint = read_checkpoint(place / "begun")
    for harm in ({}, {"task": "forecast"}, {"task": 1}, [], "x"):
        write_checkpoint(
            Checkpoint(checkpoint.tensors, {**checkpoint.facts, "about": harm}), place / "harmed"
        )
        assert "harmed: its checkpoint does not say what it learns from" in said(
            "--resume", "harmed"
        )
    assert "rates.csv: what fits is a picture's name" in said(
        "bakery.csv", "--find-lr", "rates.csv"
    )
    lines = (place / "bakery.csv").read_text().splitlines()
    (place / "other.csv").write_text("\n".join(lines[:-3]) + "\n")
    assert "began with another data" in said("other.csv", "--resume", "begun")


def end(arguments, capsys):
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_rates_are_tried_printed_and_drawn(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["train", "forecast", "bakery.csv", "--find-lr", "--quiet"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "rate      loss, smoothed"
    assert shown[-3].startswith("suggested ")
    assert (place / "learning-rates.png").stat().st_size > 5000
    rate = float(shown[-3].split()[1].rstrip(","))
    assert 1e-5 < rate < 1
    assert shown[-1] == f"next      --learning-rate {rate:.2g} in the place of --find-lr"
