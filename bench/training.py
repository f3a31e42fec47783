"""Training: what it takes beyond its steps, what it finds by itself, and what it survives.

Each case is a module of its own. Those with a name here are run when it matches `--only`; the
others look at the names of their rows.
"""

import argparse
from collections.abc import Callable, Iterator

import torch

from bench import diagnosis, large_text, overhead, probing, survival, tuning
from bench.rows import Row, cpu, wanted
from bench.timing import FULL, QUICK, Budget

TIMED: tuple[Callable[[str, Budget], Iterator[Row]], ...] = (
    overhead.rows,
    probing.rows,
    large_text.rows,
)
NAMED: dict[str, Callable[[], Iterator[Row]]] = {
    "diagnosis": diagnosis.run,
    "kill -9": survival.kills,
    "full disk": survival.full_disk,
    "tuning": tuning.tuning,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `layers` say on how many threads and how long."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of every case that is wanted."""
    before = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    print(f"training: {cpu()}, torch {torch.__version__}, {args.threads} thread(s)", flush=True)
    try:
        for row in _rows(args.only, QUICK if args.quick else FULL):
            row.show()
            yield row
    finally:
        torch.set_num_threads(before)


def _rows(only: str, budget: Budget) -> Iterator[Row]:
    for timed in TIMED:
        yield from timed(only, budget)
    for name, case in NAMED.items():
        if wanted(name, only):
            yield from case()
