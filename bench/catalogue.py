"""Every cell in CELLS beside the Python loop over its step, in inference and training.

`ratio` is the loop's time over ours. T 256, B 8, 256 features in and 256 units. Cells that take
images have as many numbers: 16 channels on four by four. The last cases are at T 512, B 8 and
four heads of 64, where a loop over a matrix state hurts: Gated DeltaNet, and its recurrence alone,
in the chunked form as well.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import torch

from bench.rows import wanted
from bench.timing import Budget, Timing, compare, shown
from bench.work import MODES, check, plain_loop, sequence, work
from recurra.cells import CELLS, Cell
from recurra.cells.matrix import MatrixInputs, advance, chunked
from recurra.engine import matrix

T, B, WIDTH, CHANNELS, SIZE = 256, 8, 256, 16, (4, 4)
LONG = "gated_deltanet, T 512"
ALONE = "matrix recurrence, T 512"
HEADS, COMPARED = 4, 16
# A loop over hundreds of steps takes seconds to train.
SHORT = Budget(2.0, 3)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `layers` say on how many threads and how long."""


def run(args: argparse.Namespace) -> Iterator[Timing]:
    """The rows of every cell that is wanted."""
    threads, quick = args.threads, args.quick
    return shown("catalogue", threads, quick, lambda budget: rows(args.only, threads, budget))


def rows(
    only: str, threads: int, budget: Budget, steps: int = T, width: int = WIDTH
) -> Iterator[Timing]:
    """Every cell that matches.

    Args:
        steps, width: T; features and units.
    """
    budget = min(budget, SHORT)
    for name in CELLS:
        if wanted(name, only):
            cell = make(name, width)
            x = torch.randn(B, steps, *(cell.x_shape or (width,)), requires_grad=True)
            yield from beside_its_loop(name, cell, x, threads, budget)
    if wanted(LONG, only):
        torch.manual_seed(0)
        kind: Any = CELLS["gated_deltanet"]
        cell = kind(width, width, num_heads=HEADS, expand_v=1)
        x = torch.randn(B, 2 * steps, width, requires_grad=True)
        yield from beside_its_loop(LONG, cell, x, threads, budget)
    if wanted(ALONE, only):
        yield from alone(2 * steps, width // HEADS, threads, budget)


def make(name: str, width: int) -> Cell[Any]:
    """A cell of the catalogue, the same each time."""
    torch.manual_seed(0)
    kind: Any = CELLS[name]
    if kind(1, 1).x_shape is not None:
        return kind(CHANNELS, CHANNELS, size=SIZE)
    return kind(width, width)


def beside_its_loop(
    case: str, cell: Cell[Any], x: torch.Tensor, threads: int, budget: Budget
) -> Iterator[Timing]:
    """Ours as `sequence` runs by default."""
    first = x[:, :COMPARED]  # a steep cell takes a rounding far in hundreds of steps
    check(sequence(cell, first), plain_loop(cell, first))
    watched = [p for p in (x, *cell.parameters()) if p.requires_grad]
    for mode in MODES:
        mine = work(mode, sequence(cell, x), watched)
        peer = {"Python loop": work(mode, plain_loop(cell, x), watched)}
        yield from compare(case, mode, threads, mine, peer, budget)


def alone(steps: int, wide: int, threads: int, budget: Budget) -> Iterator[Timing]:
    """The recurrence of Gated DeltaNet without what stands around it."""
    torch.manual_seed(0)
    shape = (B, steps, HEADS, wide)
    q, k, v = (torch.randn(shape) / wide**0.5 for _ in range(3))
    decay, rate = (torch.rand(shape[:3]) for _ in range(2))
    write = (rate[..., None] * k).requires_grad_()
    given = MatrixInputs(decay, write, decay[..., None] * k, write, v, q)
    given = MatrixInputs(*(each.detach().requires_grad_() for each in given))
    given = given._replace(a=given.c)
    S = torch.zeros(B, HEADS, wide, wide)

    def native() -> torch.Tensor:
        found = matrix(*given, S)
        if found is None:
            raise RuntimeError("the native library is not there")
        return found[0]

    def looped() -> torch.Tensor:
        state, every = S, []
        for step in zip(*(each.unbind(1) for each in given), strict=True):
            o, state = advance(MatrixInputs(*step), state)
            every.append(o)
        return torch.stack(every, 1)

    watched = [each for each in given if each is not None]
    check(native, looped)
    check(native, lambda: chunked(given, S)[0])
    for mode in MODES:
        peers = {
            "Python loop": work(mode, looped, watched),
            "recurra, chunked": work(mode, lambda: chunked(given, S)[0], watched),
        }
        yield from compare(ALONE, mode, threads, work(mode, native, watched), peers, budget)
