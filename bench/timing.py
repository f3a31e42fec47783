"""Ours and a peer's in turn, in one process, until the time given is used up.

On one thread the clock is the CPU time of the process, which leaves out what other programs took;
on more it is the wall's.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median, quantiles
from typing import NamedTuple, TypeVar

import torch

from bench.rows import Shown, cpu

Line = TypeVar("Line", bound=Shown)
Call = Callable[[], object]
# A measurement shorter than this is repeated until it is not, and divided.
SHORTEST = 0.003


@dataclass(frozen=True)
class Timing:
    """Ours beside a peer's.

    Args:
        mode: "infer", or "train": forward, and backward of the sum of all outputs to x and to
            every parameter.
        ours_ms: median; in `unit` where that is another one.
        ours_spread: half of the calls lie within this share of the median (the distance between
            its quartiles).
    """

    case: str
    mode: str
    threads: int
    peer: str
    ours_ms: float
    peer_ms: float
    ours_spread: float
    peer_spread: float
    unit: str = "ms"

    @property
    def ratio(self) -> float:
        """The peer's time over ours."""
        return self.peer_ms / self.ours_ms

    def written(self) -> dict[str, object]:
        """The row with the names that the rows of every bench have, and with its own."""
        common = {"metric": self.mode, "value": self.ours_ms, "peer_value": self.peer_ms}
        return {**vars(self), **common, "ratio": self.ratio}

    def show(self) -> None:
        """Print the row."""
        what = "" if self.unit == "ms" else f", {self.unit} in place of ms"
        print(
            f"{self.case:<26} {self.mode:<6} {self.threads:>2} "
            f"{self.ours_ms:>10.3f} ±{50 * self.ours_spread:>3.0f} %"
            f"{self.peer_ms:>11.3f} ±{50 * self.peer_spread:>3.0f} %"
            f"{self.ratio:>9.3f}  {self.peer}{what}",
            flush=True,
        )


def show_head(name: str, threads: int) -> None:
    """Print what was measured where, and over the columns of the rows what they are."""
    print(f"{name}: {cpu()}, torch {torch.__version__}, {threads} thread(s)")
    print(
        f"{'case':<26} {'mode':<6} {'on':>2} "
        f"{'ours, ms':>10}       {'peer, ms':>11}       {'ratio':>9}  peer",
        flush=True,
    )


class Budget(NamedTuple):
    """How long to measure.

    Args:
        seconds: of wall clock a row.
        rounds: at least so many, each of one measurement per call.
    """

    seconds: float
    rounds: int


QUICK, FULL = Budget(0.5, 3), Budget(6.0, 7)


def shown(
    name: str, threads: int, quick: bool, rows: Callable[[Budget], Iterable[Line]]
) -> Iterator[Line]:
    """The rows of a bench as they are measured, each printed, on so many threads of torch's."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    show_head(name, threads)
    try:
        for row in rows(QUICK if quick else FULL):
            row.show()
            yield row
    finally:
        torch.set_num_threads(before)


class Measured(NamedTuple):
    """Milliseconds, and the distance between the quartiles as a share of them."""

    ms: float
    spread: float


def interleave(calls: list[Call], threads: int, budget: Budget) -> list[Measured]:
    """Measure every call once a round, so that all of them see the same machine."""
    clock = time.process_time if threads == 1 else time.perf_counter
    repeats = [_repeats(call, clock) for call in calls]
    seconds: list[list[float]] = [[] for _ in calls]
    begun, rounds = time.perf_counter(), 0
    gc.collect()
    while rounds < budget.rounds or time.perf_counter() - begun < budget.seconds:
        for call, repeat, taken in zip(calls, repeats, seconds, strict=True):
            start = clock()
            for _ in range(repeat):
                call()
            taken.append((clock() - start) / repeat)
        rounds += 1
    return [summary(taken) for taken in seconds]


def summary(seconds: list[float]) -> Measured:
    """Median and spread."""
    middle = median(seconds)
    low, _, high = quantiles(seconds, n=4) if len(seconds) > 1 else (middle, middle, middle)
    return Measured(1e3 * middle, (high - low) / middle)


def compare(
    case: str, mode: str, threads: int, ours: Call, peers: dict[str, Call], budget: Budget
) -> list[Timing]:
    """One row a peer, each measured beside ours alone: what a third leaves behind disturbs both."""
    found = []
    for peer, call in peers.items():
        mine, one = interleave([ours, call], threads, budget)
        found.append(Timing(case, mode, threads, peer, mine.ms, one.ms, mine.spread, one.spread))
    return found


def on_threads(number: int, call: Call) -> Call:
    """The call, with torch and the engine on so many threads."""

    def there() -> object:
        torch.set_num_threads(number)
        return call()

    return there


def _repeats(call: Call, clock: Callable[[], float]) -> int:
    """How often a call is repeated to be long enough to measure; also warms it up."""
    for _ in range(2):
        call()
    start = clock()
    call()
    return max(1, int(SHORTEST / max(clock() - start, 1e-7)))
