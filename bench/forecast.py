"""Four tables straight from their files: coverage, baselines, and what waiting costs.

Each is learned with nothing said but its target and horizon, and measured on its held-out part.
The other rows: how long a loaded run takes to answer, and what a million rows cost before the
first step of training, in a process of their own.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from bench.rows import Row, wanted
from recurra.tasks import Forecaster

TABLES = {
    "walmart": ("walmart_weekly_sales/walmart_weekly_sales.csv.gz", ("Weekly_Sales",), 8),
    "pm25": ("beijing_pm25/pollution.csv.gz", ("pm2.5",), 24),
    "dayton": ("dayton_hourly_load/dayton_hourly.csv.gz", (), 24),
    "etth1": ("etth1/ETTh1.csv.gz", (), 24),
}
MILLION = 1_000_000
COLUMNS = 10
REPEATS = 51
COMMANDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ett` say where the data is."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of every case that is wanted."""
    for name, (file, target, horizon) in TABLES.items():
        if wanted(name, args.only):
            yield from _shown(_table(name, args.data / file, target, horizon))
    if wanted("answer", args.only):
        yield from _shown(_answer())
    if wanted("million rows", args.only):
        yield from _shown(_million())


def _shown(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        row.show()
        yield row


def _table(name: str, path: Path, target: tuple[str, ...], horizon: int) -> Iterator[Row]:
    if not path.exists():
        print(f"{name}: {path} is not there; --data FOLDER says where it is")
        return
    begun = time.monotonic()
    forecaster = Forecaster(horizon=horizon, target=target).fit(path)
    minutes = (time.monotonic() - begun) / 60
    measures = forecaster.measures_
    best = min(measures.baselines, key=lambda one: measures.baselines[one]["mase"])
    for metric in ("mase", "mae"):
        baseline = measures.baselines[best][metric]
        yield Row(name, metric, measures.metrics[metric], "", best, baseline)
    for level in (80, 95):
        share = 100 * measures.metrics[f"coverage_{level}"]
        yield Row(name, f"coverage of {level} %", share, "%", "asked", float(level))
    yield Row(name, "minutes to learn", minutes, "min")


def _answer() -> Iterator[Row]:
    """From a loaded run: in Python, and as a whole command."""
    with tempfile.TemporaryDirectory() as folder:
        table = Forecaster.sample(folder)
        run = Path(folder) / "run"
        Forecaster(horizon=24, epochs=1, quiet=True, target=("bread",)).fit(table).save(run)
        forecaster = Forecaster.load(run)
        frame = pd.read_csv(table)
        seconds = _timed(lambda: forecaster.predict(frame), REPEATS)
        yield Row("answer", "predict, one series, p50", 1e3 * median(seconds), "ms")
        command = [sys.executable, "-m", "recurra", "predict", str(run), str(table)]
        seconds = _timed(lambda: subprocess.run(command, check=True, capture_output=True), COMMANDS)
        yield Row("answer", "whole command, p50", median(seconds), "s")
        command = [sys.executable, "-m", "recurra", "--help"]
        seconds = _timed(lambda: subprocess.run(command, check=True, capture_output=True), COMMANDS)
        yield Row("answer", "recurra --help, p50", median(seconds), "s")
        command = [sys.executable, "-c", "import recurra; recurra.GRU"]
        seconds = _timed(lambda: subprocess.run(command, check=True, capture_output=True), COMMANDS)
        yield Row("answer", "import recurra.GRU, p50", median(seconds), "s")


def _timed(call: object, repeats: int) -> list[float]:
    assert callable(call)
    call()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return seconds


def _million() -> Iterator[Row]:
    """The real command on a million rows, stopped by its time limit soon after it began."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "million.csv"
        write_million(table)
        command = [sys.executable, "-m", "recurra", "train", "forecast", str(table)]
        command += ["--horizon", "24", "--minutes", "0.02", "--out", str(Path(folder) / "run")]
        begun = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        ready = None
        for line in process.stderr or ():
            if ready is None and line.startswith("model"):
                ready = time.perf_counter() - begun
        status = process.wait()
        if status != 0 or ready is None:
            raise RuntimeError(f"the command ended with {status}")
        yield Row("million rows", "until training begins", ready, "s")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        yield Row("million rows", "peak memory", peak, "GiB")


def write_million(path: Path) -> None:
    """A million hourly rows of ten series with a daily season."""
    random = np.random.default_rng(0)
    hours = np.arange(MILLION)
    season = 10 * np.sin(2 * np.pi * hours / 24)
    columns = {
        f"s{number}": season * (1 + number) + random.normal(0, 3, MILLION)
        for number in range(COLUMNS)
    }
    frame = pd.DataFrame(columns, index=pd.date_range("1900-01-01", periods=MILLION, freq="h"))
    frame.round(3).to_csv(path, index_label="date")
