"""What training takes beyond its steps, and what it finds by itself.

Each case is a module of its own, with `rows(only, budget)`.
"""

import argparse
from collections.abc import Callable, Iterator

import torch

from bench import overhead, probing
from bench.rows import Row, cpu
from bench.timing import FULL, QUICK, Budget

CASES: dict[str, Callable[[str, Budget], Iterator[Row]]] = {
    "overhead": overhead.rows,
    "probe": probing.rows,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `layers` say on how many threads and how long."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of every case that is wanted."""
    before = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    print(f"training: {cpu()}, torch {torch.__version__}, {args.threads} thread(s)", flush=True)
    try:
        for case in CASES.values():
            for row in case(args.only, QUICK if args.quick else FULL):
                row.show()
                yield row
    finally:
        torch.set_num_threads(before)
