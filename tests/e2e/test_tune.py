"""`recurra tune` as it is typed: killed, ended and interrupted in the middle, it goes on."""

import json
import os
import re
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from recurra.cli import main
from recurra.tasks import Forecaster, load
from recurra.tune import tune
from recurra.tune.study import stored

TINY = ("--horizon", 7, "--hidden-size", 4, "--batch-size", 16, "--epochs", 2, "--cell", "gru")
# A trial's line: its number.
TRIAL = re.compile(r"^trial +(\d+) ", re.MULTILINE)


@pytest.fixture
def place(trained, tmp_path):
    (tmp_path / "bakery.csv").write_bytes(trained("forecast").data.read_bytes())
    return tmp_path


def command(*more):
    return ["tune", "forecast", "bakery.csv", *map(str, (*TINY, *more))]


class Begun:
    """A tuning under way, that a signal ends once so many trials have ended."""

    def __init__(self, place, environment, trials, *more):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "recurra", *command(*more)],
            cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.said = ""
        while len(TRIAL.findall(self.said)) < trials:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line

    def jobs(self):
        """Handles of the processes that run its trials."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [os.pidfd_open(int(child)) for child in children]

    def end(self, number):
        self.process.send_signal(number)
        printed, said = self.process.communicate()
        return self.process.returncode, printed, self.said + said


def ended(handles):
    """Whether these processes end."""
    waiting = select.poll()
    for handle in handles:
        waiting.register(handle, select.POLLIN)
    for _ in handles:
        for handle, _event in waiting.poll(20_000):
            waiting.unregister(handle)
            os.close(handle)
    return not waiting.poll(0)


def states(file):
    """How the trials of a study ended, in their order."""
    import optuna

    with stored(file) as storage:
        study = optuna.load_study(study_name="recurra", storage=storage)
        return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def interrupted(monkeypatch, arguments, fits):
    """The status of a command in this process, with Ctrl-C in the middle of its nth fit."""
    fit, begun = Forecaster.fit, []

    def signalled(self, data, valid=None, course=None):
        begun.append(self)
        if len(begun) == fits:
            watch = course.watch

            def press(epoch):
                signal.raise_signal(signal.SIGINT)
                return watch(epoch)

            course = replace(course, watch=press)
        return fit(self, data, valid, course)

    with monkeypatch.context() as patch:
        patch.setattr(Forecaster, "fit", signalled)
        return main(arguments)


def test_killed_and_interrupted_it_goes_on_to_a_run(
    place, environment, recurra, monkeypatch, capsys
):
    study = place / "runs" / "bakery.study.db"
    more = ("--trials", 5)
    Begun(place, environment, 2, *more).end(signal.SIGKILL)
    found = states(study)
    assert found[:2] == ["COMPLETE"] * 2
    assert set(found[2:]) <= {"RUNNING"}

    monkeypatch.chdir(place)
    assert interrupted(monkeypatch, command(*more), fits=2) == 130
    printed, said = capsys.readouterr()
    assert "study     runs/bakery.study.db: 2 trials, 3 to go" in said
    assert printed.splitlines()[-1] == (
        "next      the same command goes on with runs/bakery.study.db"
    )
    assert not (place / "runs" / "bakery-1").exists()

    done = recurra(*command(*more), cwd=place)
    assert done.returncode == 0, done.stderr
    counted = [state for state in states(study) if state in ("COMPLETE", "PRUNED")]
    assert len(counted) == 5
    tried = [int(number) for number in TRIAL.findall(done.stderr)]
    assert len(tried) == 2
    shown = done.stdout.splitlines()
    assert shown[0].startswith(f"tuned     {len(states(study))} trials: ")
    assert shown[1].split() == [
        "trial", "validation", "context", "dropout", "learning_rate", "schedule",
    ]  # fmt: skip
    (end,) = (place for place, line in enumerate(shown) if line.startswith("best "))
    assert sum("default" in line for line in shown[2:end]) == 1
    assert any(line.startswith("verdict   the model") for line in shown)
    assert shown[-2].startswith("saved     runs/bakery-1, with trials.png")
    assert shown[-1].startswith("next      recurra predict runs/bakery-1 bakery.csv ")
    run = place / "runs" / "bakery-1"
    with Image.open(run / "trials.png") as picture:
        picture.load()
    best = load(run)
    losses = [float(row.split()[1 + ("default" in row)]) for row in shown[2:4]]
    assert best.history_.best.valid_loss == pytest.approx(min(losses), abs=5e-5)
    assert json.loads((run / "run.json").read_text())["fields"]["hidden_size"] == 4

    again = [*command(*more), "--out", "runs/bakery-1"]
    assert main(again) == 2
    assert "runs/bakery-1 is there already" in capsys.readouterr().err
    assert main([*again, "--overwrite"]) == 0
    assert load(run).history_.best.valid_loss == best.history_.best.valid_loss
    capsys.readouterr()

    assert main(["tune", "forecast", "bakery.csv", "--horizon", "6"]) == 2
    assert capsys.readouterr().err.startswith(
        "recurra: runs/bakery.study.db: a study with another horizon (7, now 6); go on"
    )


def test_several_jobs_end_with_their_command_and_go_on(place, environment, monkeypatch):
    begun = Begun(place, environment, 1, "--trials", 3, "--jobs", 2, "--study", "a.db")
    jobs = begun.jobs()
    assert len(jobs) == 2
    begun.end(signal.SIGKILL)
    assert ended(jobs)
    before = states(place / "a.db")
    assert "COMPLETE" in before

    monkeypatch.chdir(place)
    fields = {"horizon": 7, "hidden_size": 4, "batch_size": 16, "epochs": 2, "quiet": True}
    search = ["context", "dropout", "learning_rate", "schedule"]
    options = {"trials": 3, "jobs": 2, "study": "a.db", "search": search, "refit": False}
    tuned = tune(Forecaster(**fields), "bakery.csv", **options)
    found = states(place / "a.db")
    assert [trial.state for trial in tuned.trials].count("stopped") == before.count("RUNNING")
    assert found.count("COMPLETE") + found.count("PRUNED") == 3
    assert "RUNNING" not in found
    # The same trials, whatever runs them.
    (default,) = (trial.value for trial in tuned.trials if trial.default and trial.value)
    assert default == tune_alone(fields, search)


def tune_alone(fields, search):
    """What the default reaches in this process."""
    options = {"trials": 1, "search": search, "refit": False}
    return tune(Forecaster(**fields), "bakery.csv", **options).trials[0].value


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            ["bakery.csv", "--horizon", "7", "--search", "horizon"],
            "--search names horizon, which --horizon fixes; drop one of them",
        ),
        (["bakery.csv", "--search", "season"], 'tuning: "season" cannot be searched; what can: '),
        (["nothing.csv"], "nothing.csv: "),
        (["bakery.csv", "--jobs", "0"], "--jobs is 0; it is at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    place, monkeypatch, capsys, more, line
):
    monkeypatch.chdir(place)
    assert main(["tune", "forecast", *more]) == 2
    assert capsys.readouterr().err.startswith(f"recurra: {line}")
    assert os.listdir(place) == ["bakery.csv"]
