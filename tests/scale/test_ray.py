"""A training on Ray whose worker is killed, and a tuning; on a cluster of this machine alone."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from recurra.errors import MissingPackageError, OptionError
from recurra.scale import fit_on_ray
from recurra.scale.teller import Teller, error_of
from recurra.tasks.forecast import Forecaster

SESSION = Path(__file__).with_name("ray_session.py")
FIELDS = {"horizon": 7, "context": 14, "hidden_size": 8, "batch_size": 4, "epochs": 4}
# Ray looks after its workers every two seconds, and takes what they report no sooner.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "OMP_NUM_THREADS": "1",
}
# At which line a worker is killed: a checkpoint is written about every second.
MOMENT = "epoch 2/4"
CLOSE = 0.02


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descends(pid, ancestor):
    while pid > 1:
        pid = parent(pid)
        if pid == ancestor:
            return True
    return False


def workers_of(driver):
    """The processes that train for this driver, and for no other one on the machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"RayTrainWorker" in path.read_bytes() and descends(int(path.parent.name), driver):
                yield int(path.parent.name)


def train_and_kill(data, out):
    """The command on two workers, one of which is killed; what it said and printed."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in FIELDS.items()]
    once = ["--checkpoint-minutes=0.02", "--dropout=0"]
    train = ["train", "forecast", str(data), "--ray=2", f"--out={out}", *flags, *once]
    study = [f"--study={out}.db", f"--out={out}-tuned", "--trials=4", "--search=dropout"]
    tune = ["tune", "forecast", str(data), "--ray=2", *flags, "--epochs=1", *study]
    with subprocess.Popen(
        [sys.executable, str(SESSION), *train, "--", *tune],
        env=os.environ | SETTINGS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = list(kill_at(MOMENT, process))
        printed = process.stdout.read()
    assert process.returncode == 0, "".join(said)
    return "".join(said), printed


def kill_at(moment, process):
    """The lines that a command says; at the moment one of its workers is killed."""
    for line in process.stderr:
        yield line
        if line.startswith(moment):
            os.kill(next(workers_of(process.pid)), signal.SIGKILL)
            yield from process.stderr


def test_a_training_outlives_a_worker(tmp_path):
    data = Forecaster.sample(tmp_path)
    said, printed = train_and_kill(data, tmp_path / "run")
    assert said.count("resumed ") == 1, said
    assert "epoch 4/4" in said
    assert said.count("Traceback") == 0
    assert "answers 9 16 25" in printed
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert left == {data.name, "run", "run.db", "run-tuned"}
    (tuned,) = (line for line in printed.splitlines() if line.startswith("tuned "))
    assert tuned == "tuned     4 trials: 4 finished"
    assert Forecaster.load(tmp_path / "run-tuned").epochs == 1
    found = Forecaster.load(tmp_path / "run")
    alone = Forecaster(**FIELDS, dropout=0.0, quiet=True).fit(data)
    assert [epoch.steps for epoch in found.history_.epochs] == [
        epoch.steps for epoch in alone.history_.epochs
    ]
    best, undisturbed = found.history_.best.valid_loss, alone.history_.best.valid_loss
    assert best == pytest.approx(undisturbed, rel=CLOSE)
    assert found.measures_.metrics["mase"] == pytest.approx(
        alone.measures_.metrics["mase"], rel=CLOSE
    )


def test_a_number_of_workers_that_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(OptionError, match="--ray is 0"):
        fit_on_ray(Forecaster(), tmp_path / "no.csv", workers=0, storage=tmp_path)


def test_without_ray_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match="recurra\\[scale\\]"):
        fit_on_ray(Forecaster(), tmp_path / "no.csv", workers=2, storage=tmp_path)


def test_what_a_worker_says_arrives_once_and_in_order():
    teller = Teller()
    for text in ("a\n", "b\n"):
        teller.tell(text)
    assert teller.take() == "a\nb\n"
    assert teller.take() == ""


def test_a_refusal_comes_back_as_the_error_it_was():
    teller = Teller()
    assert teller.refusal() is None
    teller.refuse("OptionError", "--horizon is 0")
    error = error_of(teller.refusal())
    assert type(error) is OptionError
    assert str(error) == "--horizon is 0"
