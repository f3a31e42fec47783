"""The window and the number of streams that a probe chooses, beside the best of a whole grid."""

import time
from collections.abc import Callable, Iterator
from itertools import product

import torch

from bench.overhead import VOCABULARY, Language, text
from bench.rows import Row, wanted
from bench.timing import Budget, interleave
from bench.work import SHAPES, Shape
from recurra.train import Recipe, Truncated, probe
from recurra.train.stepper import Stepper

SIZES = ("S", "M", "H256")
WINDOWS, STREAMS = (16, 32, 64, 128, 256), (4, 8, 16, 32, 64, 128)
# Enough for every point of the grid.
MEMORY = 4 << 30
TOKENS = 3 * max(WINDOWS) * max(STREAMS)


def rows(
    only: str,
    budget: Budget,
    shapes: dict[str, Shape] = SHAPES,
    windows: tuple[int, ...] = WINDOWS,
    streams: tuple[int, ...] = STREAMS,
    seconds: float = 5.0,
) -> Iterator[Row]:
    """One network a size."""
    for letter in SIZES:
        if wanted(f"probe {letter}", only):
            build = _builder(shapes[letter].H)
            # What torch imports at a process's first optimizer is no part of the probe.
            _step(build(streams[0], windows[0]))
            begun = time.perf_counter()
            found = probe(
                build, windows=windows, streams=streams, memory_bytes=MEMORY, seconds=seconds
            )
            took = time.perf_counter() - begun
            print(f"probe {letter}: {found.said}", flush=True)
            grid = _grid(build, windows, streams, budget)
            best = max(grid, key=lambda point: grid[point])
            chosen = grid[found.streams, found.window]
            peer = f"best of a grid, {best[0]} streams of {best[1]}"
            yield Row(f"probe {letter}", "throughput", chosen, "tokens/s", peer, grid[best])
            yield Row(f"probe {letter}", "time taken", took, "s")


def _builder(width: int) -> Callable[[int, int], Truncated]:
    torch.manual_seed(0)
    model, tokens = Language(VOCABULARY, width), text(TOKENS)
    return lambda streams, window: Truncated(model, tokens, streams=streams, window=window)


def _grid(
    build: Callable[[int, int], Truncated],
    windows: tuple[int, ...],
    streams: tuple[int, ...],
    budget: Budget,
) -> dict[tuple[int, int], float]:
    """Tokens a second at every point, all of them measured in turn."""
    points = list(product(streams, windows))
    threads = torch.get_num_threads()
    taken = interleave([_step(build(*point)) for point in points], threads, budget)
    return {
        point: 1e3 * point[0] * point[1] / each.ms
        for point, each in zip(points, taken, strict=True)
    }


def _step(lesson: Truncated) -> Callable[[], object]:
    stepper, batch = Stepper(lesson, Recipe()), next(iter(lesson.batches(1, 0)))
    lesson.model.train()
    return lambda: stepper.step([batch], 0.0)
