"""A tuning that is killed half-way and started again: the real command on the demo's series."""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.rows import Row
from recurra.cli.demo import HORIZON, co2
from recurra.tune.outcome import Attempt, attempts, finished, value
from recurra.tune.study import join_study

TRIALS = 20
# Each trial takes seconds: what is measured is the tuning, not the forecast.
OPTIONS = ("--horizon", str(HORIZON), "--epochs", "4", "--trials", str(TRIALS))
TOLD = re.compile(r"^trial +\d+ ", re.MULTILINE)


def tuning() -> Iterator[Row]:
    """Kill -9 after half of the trials, then the same command to its end.

    Raises:
        RuntimeError: the command failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        place, begun = Path(folder), time.monotonic()
        killed = _command(place)
        _listen(killed, TRIALS // 2)
        killed.kill()
        killed.wait()
        before = _trials(place)
        again = _command(place)
        told = _listen(again, None)
        if again.wait():
            raise RuntimeError(f"exit status {again.returncode}: {told}")
        yield from _rows(before, _trials(place), told, time.monotonic() - begun)
        yield _refitted(place)


def _command(place: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "recurra", "tune", "forecast", str(co2()), *OPTIONS],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _listen(process: "subprocess.Popen[str]", trials: int | None) -> str:
    """What it says until so many trials have ended, or all."""
    said = ""
    for line in process.stderr or ():
        said += line
        if trials is not None and len(TOLD.findall(said)) == trials:
            break
    return said


def _trials(place: Path) -> list[Attempt]:
    with join_study(place / "runs" / "co2.study.db") as study:
        return attempts(study)


def _rows(before: list[Attempt], after: list[Attempt], told: str, seconds: float) -> Iterator[Row]:
    kept = sum(old == new for old, new in zip(before, after, strict=False) if old.seconds)
    ended = [trial for trial in after if trial.state != "stopped"]
    (default,) = (trial for trial in finished(after) if trial.default)
    yield Row("tune, killed", "trials kept", kept, "trials")
    yield Row("tune, killed", "trials made up", len(TOLD.findall(told)), "trials")
    yield Row("tune, killed", "trials in the end", len(ended), "trials", "asked", TRIALS)
    yield Row("tune, killed", "pruned", sum(t.state == "pruned" for t in after), "trials")
    best = value(finished(after)[0])
    yield Row("tune, killed", "validation loss", best, "deviations", "default", value(default))
    yield Row("tune, killed", "both runs together", seconds, "s")


def _refitted(place: Path) -> Row:
    """The best loss of the run that was saved; that of the best trial, to the last bit."""
    lines = (place / "runs" / "co2-1" / "history.jsonl").read_text().splitlines()
    best = min(json.loads(line)["valid_loss"] for line in lines)
    peer = value(finished(_trials(place))[0])
    return Row("tune, killed", "loss of the saved run", best, "deviations", "its trial", peer)
