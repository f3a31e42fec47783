"""What to expect as processes grow: a step of training in one, all-reduces of two, and a model.

    t(n) = compute(B / n) + 2 (n - 1) / n * bytes / bandwidth + messages * latency * log2 n

Compute is the CPU time of one process for so many rows, down to one: few rows use a processor worse
than many. Bandwidth and latency are fitted to all-reduces of gloo between two processes of this
machine, by the wall clock: the fastest of many, for what slows one down is no part of it.
`--bandwidth` and `--latency` put those of a network in their place. A step sends the gradient, and
four single numbers or so for what all must agree on.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from bench.rows import Row, wanted
from bench.timing import Budget, interleave
from bench.work import sequence, work
from recurra.cells import LSTM

ROOT = Path(__file__).parents[1]
T, B = 128, 512
# Rows that are timed at most; more of them take as long for each.
TIMED = 64
WIDTHS = (128, 256, 512)
WORKERS = (2, 8, 16, 32, 64, 128, 256, 512)
# Numbers in an all-reduce, in float32.
SIZES = tuple(4**k for k in range(12))
# The gradient; which weights were met; the sums of weights and losses; time and signals.
MESSAGES = 5
REPEATS = 50
QUICK, FULL = Budget(0.2, 3), Budget(1.5, 7)


class Line(NamedTuple):
    """How long an all-reduce of two takes: seconds, and bytes a second."""

    latency: float
    bandwidth: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A network other than the one inside this machine; the other options are those of `layers`."""
    parser.add_argument("--bandwidth", type=float, metavar="GB", help="a second, between workers")
    parser.add_argument("--latency", type=float, metavar="US", help="of one message, microseconds")


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Every width that is wanted, in one process and in many."""
    torch.set_num_threads(1)
    here = fit(measured())
    line = Line(
        here.latency if args.latency is None else 1e-6 * args.latency,
        here.bandwidth if args.bandwidth is None else 1e9 * args.bandwidth,
    )
    for row in rows(line, args.only, QUICK if args.quick else FULL):
        row.show()
        yield row


def rows(line: Line, only: str, budget: Budget) -> Iterator[Row]:
    """The all-reduce, then each width: what was measured, and what the model makes of it."""
    yield Row("all-reduce", "latency", 1e6 * line.latency, "us")
    yield Row("all-reduce", "bandwidth", 1e-9 * line.bandwidth, "GB/s")
    for H in WIDTHS:
        case = f"LSTM {H}"
        if not wanted(case, only):
            continue
        cell = LSTM(H, H)
        size = float(sum(p.numel() * p.element_size() for p in cell.parameters()))
        whole = step(cell, B, budget)
        yield Row(case, "gradient", size / 2**20, "MiB")
        yield Row(case, "1 worker", 1e3 * whole, "ms")
        for n in WORKERS:
            own = whole / n if B // n >= TIMED else step(cell, B // n, budget)
            shared = predicted(n, own, size, line)
            each = predicted(n, whole, size, line)
            yield Row(case, f"{n} workers", 1e3 * shared, "ms")
            yield Row(case, f"{n} workers, speed-up", whole / shared, "times")
            yield Row(case, f"{n} workers, {B} rows each", n * whole / each, "times")


def step(cell: LSTM, rows: int, budget: Budget) -> float:
    """Seconds of CPU time, forward and backward."""
    timed = min(rows, TIMED)
    x = torch.randn(timed, T, cell.input_size)
    (taken,) = interleave([work("train", sequence(cell, x), cell.parameters())], 1, budget)
    return 1e-3 * taken.ms * rows / timed


def predicted(n: int, compute: float, size: float, line: Line) -> float:
    """Seconds a step of n workers takes.

    Args:
        compute: seconds that each computes.
        size: bytes of the gradient.
    """
    sent = 2 * (n - 1) / n * size / line.bandwidth
    return compute + sent + MESSAGES * line.latency * math.log2(n)


def fit(points: list[tuple[float, float]]) -> Line:
    """The line through bytes and seconds that is least wrong, as a share of each."""
    sizes, seconds = np.array(points).T
    weights = 1 / seconds
    terms = np.stack([np.ones_like(sizes), sizes], axis=1) * weights[:, None]
    (latency, slope), *_ = np.linalg.lstsq(terms, seconds * weights, rcond=None)
    return Line(max(float(latency), 1e-9), 1 / float(slope))


def measured() -> list[tuple[float, float]]:
    """Bytes and seconds of all-reduces between two processes of this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, "-m", "bench.scaling"],
        check=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    found: list[tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure() -> list[tuple[float, float]]:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    found = []
    for size in SIZES:
        numbers = torch.zeros(size)
        found.append((4.0 * size, min(_seconds(numbers) for _ in range(REPEATS))))
    torch.distributed.destroy_process_group()
    return found


def _seconds(numbers: torch.Tensor) -> float:
    torch.distributed.barrier()
    begun = time.perf_counter()
    torch.distributed.all_reduce(numbers)
    return time.perf_counter() - begun


if __name__ == "__main__":
    found = _measure()
    if os.environ["RANK"] == "0":
        print(json.dumps(found))
