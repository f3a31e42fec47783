"""A language model that learns from a text larger than what the process may take.

python -m bench.large_text file|map TEXT    prints the peak memory of such a training, in MiB

The text is repeated with noise. A pass over the whole of it, as for a hash or for how often each
byte occurs, comes before the training, whose windows are read from ten places of each stream.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from bench.memory import ROOT, status
from bench.overhead import Language
from bench.rows import Row, wanted
from bench.timing import Budget
from recurra.data import byte_tokens
from recurra.train import Lesson, Plan, Tokens, Truncated, Window, ahead, train

BYTES, PIECE = 2_000_000_000, 1 << 24
IN_MEMORY = 100_000_000
NOISE = 0.02
STREAMS, WINDOW, HIDDEN = 32, 128, 128
PLACES, STEPS, WARM = 10, 300, 5
QUIET = Plan(epochs=1, quiet=True)


class Walk(Lesson[Window]):
    """Another lesson's windows from places all over its text; the clock is read at each.

    Args:
        lesson: on the text.
        steps: windows, as many from each place.
        beside: prepare them ahead.

    Attributes:
        cpu, wall: seconds a step, the making of its window included.
    """

    def __init__(self, lesson: Truncated, steps: int, *, beside: bool = False) -> None:
        self._lesson, self._beside = lesson, beside
        self.model, self.steps = lesson.model, steps
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def batches(self, epoch: int, begin: int) -> Iterator[Window]:
        windows = self._windows(epoch)
        for window in ahead(windows) if self._beside else windows:
            yield window
            self.cpu.append(time.process_time())
            self.wall.append(time.perf_counter())

    def _windows(self, epoch: int) -> Iterator[Window]:
        several = -(-self.steps // PLACES)
        for place in np.linspace(0, self._lesson.steps - several, PLACES).astype(int).tolist():
            yield from islice(self._lesson.batches(epoch, place), several)

    def loss(self, batch: Window) -> Tensor:
        return self._lesson.loss(batch)

    def validate(self) -> float:
        return self._lesson.validate()


def rows(only: str, budget: Budget, size: int = BYTES, steps: int = STEPS) -> Iterator[Row]:
    """Memory beside a memory map's, and the time of a step beside that on an array in memory."""
    case = f"text of {size / 1e9:g} GB"
    if not wanted(case, only):
        return
    with tempfile.TemporaryDirectory(prefix="recurra-bench-") as folder:
        path = Path(folder) / "text.txt"
        write_text(path, size)
        peaks = [_peak(kind, path, steps) for kind in ("file", "map")]
        yield Row(case, "peak memory", peaks[0], "MiB", "np.memmap", peaks[1])
        yield from _beside(case, path, budget, max(steps // 10, 2 * WARM))


def write_text(path: Path, size: int) -> None:
    """The pages of the documentation over and over, with other letters here and there."""
    pages = b"".join(page.read_bytes() for page in sorted((ROOT / "docs").glob("*.md")))
    text = np.resize(np.frombuffer(pages, np.uint8), PIECE)
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for begin in range(0, size, PIECE):
            piece = text[: size - begin].copy()
            places = random.integers(0, len(piece), int(NOISE * len(piece)))
            piece[places] = random.integers(32, 127, len(places), np.uint8)
            file.write(piece.data)
        file.flush()
        os.fsync(file.fileno())


def _lesson(tokens: Tokens) -> Truncated:
    torch.manual_seed(0)
    model, valid = Language(256, HIDDEN), np.array(tokens[: STREAMS * (WINDOW + 1)])
    return Truncated(model, tokens, streams=STREAMS, window=WINDOW, valid=valid)


def _peak(kind: str, path: Path, steps: int) -> float:
    """MiB that a process takes at its peak, with all that it has loaded."""
    command = [sys.executable, "-m", "bench.large_text", kind, str(path), str(steps)]
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE)
    return float(done.stdout)


def _measure(kind: str, path: Path, steps: int) -> float:
    torch.set_num_threads(1)
    tokens: Tokens = byte_tokens(path) if kind == "file" else np.memmap(path, np.uint8, "r")
    counts = np.zeros(256, np.int64)
    for begin in range(0, len(tokens), PIECE):
        counts += np.bincount(tokens[begin : min(begin + PIECE, len(tokens))], minlength=256)
    train(Walk(_lesson(tokens), steps), QUIET)
    return status("VmHWM") / 2**10


def _beside(case: str, path: Path, budget: Budget, steps: int) -> Iterator[Row]:
    """Blocks of steps in turn, the file's each time read from the disk anew."""
    text = byte_tokens(path)
    array = text[: min(IN_MEMORY, len(text))]
    lessons = {"file": _lesson(text), "ahead": _lesson(text), "array": _lesson(array)}
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in lessons}
    begun, rounds = time.perf_counter(), 0
    while rounds < budget.rounds or time.perf_counter() - begun < budget.seconds:
        for kind, lesson in lessons.items():
            _forget(path)
            walk = Walk(lesson, steps, beside=kind == "ahead")
            train(walk, QUIET)
            found[kind].append((_a_step(walk.cpu), _a_step(walk.wall)))
        rounds += 1
    middle = {kind: [median(each) for each in zip(*found[kind], strict=True)] for kind in found}
    for kind, words in {"file": "", "ahead": ", ahead"}.items():
        for place, clock in enumerate(("CPU", "wall")):
            ours, theirs = middle[kind][place], middle["array"][place]
            yield Row(case, f"{clock} a step{words}", ours, "ms", "array in memory", theirs)


def _a_step(clock: list[float]) -> float:
    """Milliseconds, after the first steps; a mean, since few steps wait for the disk."""
    return 1e3 * (clock[-1] - clock[WARM]) / (len(clock) - 1 - WARM)


def _forget(path: Path) -> None:
    """Have the kernel drop what it keeps of a file."""
    handle = os.open(path, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


if __name__ == "__main__":
    kind, path, steps = sys.argv[1:]
    print(_measure(kind, Path(path), int(steps)))
