"""Cells beside the Python loop over them; steps in bfloat16; what a first call costs.

`ratio` is the peer's time over ours.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import torch

from bench import precision
from bench.first_call import first_call
from bench.rows import wanted
from bench.timing import Budget, Timing, compare, shown
from bench.user_cells import Scan, ScanInputs, SoftmaxMemory
from bench.work import MODES, SHAPES, Shape, check, indexed_loop, plain_loop, sequence, work
from recurra.cells import (
    LSTM,
    SLSTM,
    Cell,
    CoupledLSTM,
    LayerNormLSTM,
    PeepholeLSTM,
    ResetBeforeGRU,
)

OWN: dict[str, type[Cell[Any]]] = {
    "peephole LSTM M": PeepholeLSTM,
    "coupled-gates LSTM M": CoupledLSTM,
    "softmax memory M": SoftmaxMemory,
    "gated-product GRU M": ResetBeforeGRU,
    "sLSTM M": SLSTM,
}
ELEMENTWISE = Shape(256, 8, 256)
FIRST = {
    "catalogue": "first call, catalogue",
    "user": "first call, user's cell",
    "warm": "first call, user's, warm",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `layers` say on how many threads and how long."""


def run(args: argparse.Namespace) -> Iterator[Timing]:
    """The rows of every case that is wanted."""
    threads = args.threads
    return shown("cells", threads, args.quick, lambda budget: rows(args.only, threads, budget))


def rows(
    only: str, threads: int, budget: Budget, shape: Shape = SHAPES["M"], flat: Shape = ELEMENTWISE
) -> Iterator[Timing]:
    """Every case that matches.

    Args:
        shape: of the cells with products.
        flat: of the elementwise recurrence.
    """
    if wanted("layer-norm LSTM M", only):
        yield from layer_norm(shape, threads, budget)
    for case, make in OWN.items():
        if wanted(case, only):
            yield from own(case, make, shape, threads, budget)
    if wanted("elementwise T256 B8 D256", only):
        yield from elementwise(flat, threads, budget)
    yield from precision.rows(only, threads, budget)
    for which, case in FIRST.items():
        if wanted(case, only):
            yield from first(which, case, threads, budget)


def layer_norm(shape: Shape, threads: int, budget: Budget) -> Iterator[Timing]:
    """Beside its loop, and beside our LSTM without the norms."""
    x = _input(shape)
    cell, plain = LayerNormLSTM(shape.H, shape.H), LSTM(shape.H, shape.H)
    check(sequence(cell, x), plain_loop(cell, x))
    for mode in MODES:
        peers = {
            "Python loop": work(mode, plain_loop(cell, x), (x, *cell.parameters())),
            "recurra LSTM": work(mode, sequence(plain, x), (x, *plain.parameters())),
        }
        mine = work(mode, sequence(cell, x), (x, *cell.parameters()))
        yield from compare("layer-norm LSTM M", mode, threads, mine, peers, budget)


def own(
    case: str, make: type[Cell[Any]], shape: Shape, threads: int, budget: Budget
) -> Iterator[Timing]:
    """A cell beside its loop."""
    x, cell = _input(shape), make(shape.H, shape.H)
    check(sequence(cell, x), plain_loop(cell, x))
    for mode in MODES:
        mine = work(mode, sequence(cell, x), (x, *cell.parameters()))
        peer = {"Python loop": work(mode, plain_loop(cell, x), (x, *cell.parameters()))}
        yield from compare(case, mode, threads, mine, peer, budget)


def elementwise(shape: Shape, threads: int, budget: Budget) -> Iterator[Timing]:
    """A recurrence without a product; nothing but reading, a multiplication and an addition."""
    keep, add = (_input(shape).detach() for _ in range(2))
    x = ScanInputs(torch.sigmoid(keep).requires_grad_(), add.requires_grad_())
    cell = Scan(shape.H)
    check(sequence(cell, x), plain_loop(cell, x))
    for mode in MODES:
        peers = {
            "Python loop": work(mode, plain_loop(cell, x), x),
            "Python loop over x[:, t]": work(mode, indexed_loop(cell, x), x),
        }
        mine = work(mode, sequence(cell, x), x)
        yield from compare("elementwise T256 B8 D256", mode, threads, mine, peers, budget)


def first(which: str, case: str, threads: int, budget: Budget) -> Iterator[Timing]:
    """A first call, always on one thread and by the wall clock, at S."""
    for mode in MODES if threads == 1 else ():
        ours, again = first_call(which, mode, budget.rounds)
        yield Timing(case, mode, 1, "the second call", ours.ms, again.ms, ours.spread, again.spread)


def _input(shape: Shape) -> torch.Tensor:
    return torch.randn(shape.B, shape.T, shape.H, requires_grad=True)
