"""The window and the number of streams, found by trying real steps for a few seconds.

A step of B streams over T steps takes about

    t(B, T) = c + T f(B)

so two lines of a grid tell about all of it: all B at the shortest window give f, all T at the best
B give c. Whatever they say is the best choice is tried too, until what is chosen was measured.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Generic, NamedTuple

import torch
from torch import Tensor, nn

from recurra.errors import DataError, OptionError
from recurra.train.lesson import Batch, Lesson
from recurra.train.plan import Recipe
from recurra.train.random_state import random_facts, random_tensors, restore_random
from recurra.train.stepper import Stepper
from recurra.train.untouched import untouched

# What is so close to the fastest is as good, and then what learns best is chosen.
CLOSE = 0.05
# Shares of the time: for one point, and after which no further numbers of streams are tried.
POINT, ROWS = 1 / 25, 1 / 2
# Beyond what the backward keeps, so many copies of its largest part live for a moment: a loss over
# a vocabulary makes them.
COPIES = 3


class Point(NamedTuple):
    """A place in the grid."""

    streams: int
    window: int

    @property
    def tokens(self) -> int:
        """Of a step."""
        return self.streams * self.window


@dataclass(frozen=True)
class Found:
    """What a probe chose.

    Args:
        streams: rows a batch, B.
        window: steps a batch, T.
        tokens_per_second: forward, backward and optimizer.
        said: what was chosen and why, in a line.
    """

    streams: int
    window: int
    tokens_per_second: float
    said: str


def probe(
    build_lesson: Callable[[int, int], Lesson[Batch]],
    *,
    windows: Sequence[int],
    streams: Sequence[int],
    memory_bytes: int,
    seconds: float = 5.0,
    recipe: Recipe | None = None,
) -> Found:
    """Choose what learns best among what is nearly as fast as the fastest.

    That is the longest window, and then the fewest streams: more steps for the same tokens. Weights
    and random states are as before afterwards, bit for bit.

    Args:
        build_lesson: makes a lesson of (streams, window), whose batches are all of that size but
            for the last; may be asked often.
        windows: that may be chosen; the longest is the bound.
        streams: that may be chosen.
        memory_bytes: that a step may take beyond weights and optimizer, as estimated from the
            smallest one.
        seconds: it takes at most, but for a step that has begun and for imports that training
            needs anyway.
        recipe: by which steps are taken.

    Raises:
        OptionError: there is nothing to choose from, or the smallest step takes too much memory.
        DataError: there is too little data for the smallest step.
    """
    if not windows or not streams or min(*windows, *streams) < 1:
        raise OptionError("probe: windows and streams are whole numbers above 0, at least one each")
    before = random_tensors(), random_facts()
    trial = _Trial(build_lesson, recipe or Recipe(), memory_bytes, seconds)
    try:
        return _search(trial, sorted(set(windows)), sorted(set(streams)))
    finally:
        # Lessons draw too while they are built.
        restore_random(*before)


class _Trial(Generic[Batch]):
    """Points that were tried.

    Attributes:
        taken: least seconds a step, by point.
    """

    def __init__(
        self,
        build: Callable[[int, int], Lesson[Batch]],
        recipe: Recipe,
        memory_bytes: int,
        seconds: float,
    ) -> None:
        self._build, self._recipe = build, recipe
        self._memory, self._seconds = memory_bytes, seconds
        self._begun = time.monotonic()
        self._bytes = 0.0
        self._slowness = math.inf
        self.taken: dict[Point, float] = {}

    @property
    def spent(self) -> float:
        """Share of the time."""
        return (time.monotonic() - self._begun) / self._seconds

    def first(self, point: Point) -> None:
        """Try the smallest point, and see how much memory it takes."""
        lesson, batches = self._lesson(point)
        with untouched(lesson):
            lesson.model.train()
            takes = _memory(lesson, batches[0])
            if takes > self._memory:
                raise OptionError(
                    f"probe: {point.streams} streams and a window of {point.window} take about "
                    f"{takes / 2**20:.0f} MiB, memory_bytes allows {self._memory / 2**20:.0f}; "
                    "choose fewer or a shorter one"
                )
            self._bytes = takes / point.tokens
            # The first optimizer of a process has torch import its compiler, as training would.
            before = time.monotonic()
            Stepper(lesson, self._recipe)
            self._begun += time.monotonic() - before
            self._measure(point, lesson, batches)

    def try_out(self, point: Point) -> bool:
        """Whether the point is measured now: it fits into memory, time and data."""
        if point in self.taken:
            return True
        if point.tokens * self._bytes > self._memory or not self._time_for(point):
            return False
        try:
            lesson, batches = self._lesson(point)
        except (DataError, OptionError):
            return False
        # A single batch may be shorter than it should be.
        if lesson.steps == 1:
            return False
        with untouched(lesson):
            lesson.model.train()
            self._measure(point, lesson, batches)
        return True

    def _lesson(self, point: Point) -> tuple[Lesson[Batch], list[Batch]]:
        lesson = self._build(point.streams, point.window)
        return lesson, list(islice(lesson.batches(1, 0), max(1, min(2, lesson.steps - 1))))

    def _measure(self, point: Point, lesson: Lesson[Batch], batches: list[Batch]) -> None:
        """Keep the least seconds of a step, over as many steps as there is time for."""
        stepper, clock = Stepper(lesson, self._recipe), _clock(lesson.model)
        begun, taken = time.monotonic(), []
        for batch in cycle(batches):
            start = clock()
            # At a rate of 0, so that no number runs away.
            stepper.step([batch], 0.0)
            taken.append(clock() - start)
            passed = time.monotonic() - begun
            self._slowness = min(self._slowness, passed / len(taken) / point.tokens)
            # The first step makes plans; a second one counts if there is time for it.
            enough = len(taken) > 1 or not self._time_for(point)
            if enough and passed > POINT * self._seconds:
                break
        self.taken[point] = min(taken)

    def _time_for(self, point: Point) -> bool:
        """Whether there is time for two steps of that size, as long as they take by the wall."""
        return self.spent + 2 * point.tokens * self._slowness / self._seconds < 1


def _search(trial: _Trial[Batch], windows: list[int], streams: list[int]) -> Found:
    trial.first(Point(streams[0], windows[0]))
    for rows in streams:
        if trial.spent > ROWS or not trial.try_out(Point(rows, windows[0])):
            break
    best = _chosen(_speeds(trial))
    line = [Point(best.streams, window) for window in windows]
    line = [point for point in line if trial.try_out(point)]
    grid = _foreseen(trial.taken, line, windows)
    while (chosen := _chosen({**grid, **_speeds(trial)})) not in trial.taken:
        if not trial.try_out(chosen):
            del grid[chosen]
    return _found(trial, chosen)


def _speeds(trial: _Trial[Batch]) -> dict[Point, float]:
    """Tokens a second, as measured."""
    return {point: point.tokens / seconds for point, seconds in trial.taken.items()}


def _foreseen(
    taken: dict[Point, float], line: list[Point], windows: list[int]
) -> dict[Point, float]:
    """Tokens a second at every point, from all streams at one window and all windows at one B."""
    first, second, last = line[0], line[min(1, len(line) - 1)], line[-1]
    steps = max(1, second.window - first.window)
    start = taken[first] - (taken[second] - taken[first]) / steps * first.window
    start = min(max(0.0, start), 0.9 * min(taken.values()))
    found = {}
    for rows in (point for point in taken if point.window == first.window):
        share = (taken[rows] - start) / (taken[first] - start)
        for window in windows:
            # Beyond the last that was tried, time grows with the window.
            whole = taken.get(first._replace(window=window), taken[last] * window / last.window)
            point = rows._replace(window=window)
            found[point] = point.tokens / (start + share * (whole - start))
    return found


def _chosen(speeds: dict[Point, float]) -> Point:
    """Of the points that are nearly as fast as the fastest the one that learns best."""
    enough = (1 - CLOSE) * max(speeds.values())
    close = [point for point, speed in speeds.items() if speed >= enough]
    return min(close, key=lambda point: (-point.window, point.streams))


def _found(trial: _Trial[Batch], chosen: Point) -> Found:
    speeds = _speeds(trial)
    share = f"{speeds[chosen] / max(speeds.values()):.0%} of the fastest"
    return Found(
        chosen.streams,
        chosen.window,
        speeds[chosen],
        f"window {chosen.window}, {chosen.streams} streams: {speeds[chosen]:,.0f} tokens a second, "
        f"{share} of {len(speeds)} sizes tried; among those as fast the longest window, and then "
        "the fewest streams",
    )


def _clock(model: nn.Module) -> Callable[[], float]:
    """On one thread the CPU's time, which leaves out what other programs took; else the wall's."""
    first = next(model.parameters())
    if first.is_cpu:
        return time.process_time if torch.get_num_threads() == 1 else time.perf_counter

    def clock() -> float:
        torch.accelerator.synchronize(first.device)
        return time.perf_counter()

    return clock


def _memory(lesson: Lesson[Batch], batch: Batch) -> float:
    """About how many bytes a step takes at its peak."""
    own = {each.untyped_storage().data_ptr() for each in lesson.model.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = lesson.loss(batch)
    torch.autograd.backward(loss)
    kept = [size for place, size in sizes.items() if place not in own]
    return float(sum(kept) + COPIES * max(kept, default=0))
