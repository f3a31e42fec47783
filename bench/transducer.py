"""The loss of an RNN transducer beside plain torch, in time and memory.

By a joiner, and by scores that are there already. The peer is the definition that the engine is
held against, all places of one t + u at once; both losses and gradients are compared before
anything is timed. The rows "memory" are the peak of one training step, each in a process of its
own.

python -m bench.transducer recurra|torch bf16|float32 B T U V J
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from bench.memory import CLEAR_PEAK, ROOT, status
from bench.rows import wanted
from bench.timing import Budget, Timing, compare, shown
from recurra.engine import joiner_nats, lattice_nats, plain_joiner_nats
from recurra.engine.alignments import sum_over_alignments


class Sizes(NamedTuple):
    """Rows, frames, labels, numbers, and features of the joiner; 0 where scores are given."""

    B: int
    T: int
    U: int
    V: int
    J: int


SIZES = {
    "joiner J128": Sizes(16, 200, 30, 64, 128),
    "joiner J256": Sizes(16, 200, 30, 64, 256),
    "scores": Sizes(16, 200, 30, 64, 0),
}
PEER = "plain torch"
Loss = Callable[[], Tensor]


class Work(NamedTuple):
    """What learns, and the loss of it by ours and by the peer."""

    learned: list[Tensor]
    ours: Loss
    peer: Loss

    def train(self, loss: Loss, cast: bool) -> Callable[[], tuple[Tensor, ...]]:
        """The loss and its gradients; under autocast to bfloat16 where `cast` is set."""

        def step() -> tuple[Tensor, ...]:
            with torch.autocast("cpu", torch.bfloat16, enabled=cast):
                total = loss()
            return total, *torch.autograd.grad(total, self.learned)

        return step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `layers` say on how many threads and how long."""


def run(args: argparse.Namespace) -> Iterator[Timing]:
    """The rows of every case that is wanted."""
    threads = args.threads
    return shown("transducer", threads, args.quick, lambda budget: rows(args.only, threads, budget))


def rows(
    only: str, threads: int, budget: Budget, sizes: dict[str, Sizes] = SIZES
) -> Iterator[Timing]:
    """Every case that matches."""
    for name, size in sizes.items():
        for cast in (False, True) if size.J else (False,):
            case = f"{name}{' bf16' if cast else ''}"
            if wanted(case, only):
                yield timed(case, size, cast, threads, budget)
            if threads == 1 and wanted(f"memory {case}", only):
                ours, peer = (peak(who, size, cast) for who in ("recurra", "torch"))
                yield Timing(f"memory {case}", "train", 1, PEER, ours, peer, 0.0, 0.0, "MiB")


def timed(case: str, size: Sizes, cast: bool, threads: int, budget: Budget) -> Timing:
    """A step of training."""
    made = work(size)
    ours, peer = made.train(made.ours, cast), made.train(made.peer, cast)
    tolerance = 0.02 if cast else 1e-3
    for one, other in zip(ours(), peer(), strict=True):
        if not (one - other).norm() <= tolerance * other.norm():
            raise RuntimeError(f"{case}: ours and torch's differ by {(one - other).norm()}")
    (row,) = compare(case, "train", threads, ours, {PEER: peer}, budget)
    return row


def work(size: Sizes) -> Work:
    """All rows have all frames and all labels."""
    torch.manual_seed(0)
    B, T, U, V, J = size
    paths = torch.randint(1, V, (B, U)), torch.full((B,), T), torch.full((B,), U)
    if J == 0:
        scores = torch.randn(B, T, U + 1, V, requires_grad=True)
        return Work(
            [scores],
            lambda: found(lattice_nats(scores, *paths)).sum(),
            lambda: sum_over_alignments(scores, *paths).sum(),
        )
    f, g, w, b = torch.randn(B, T, J), torch.randn(B, U + 1, J), torch.randn(V, J), torch.zeros(V)
    learned = [each.requires_grad_() for each in (f, g, w.div_(J**0.5), b)]
    return Work(
        learned,
        lambda: found(joiner_nats(f, g, w, b, *paths)),
        lambda: plain_joiner_nats(f, g, w, b, *paths).sum(),
    )


def found(loss: Tensor | None) -> Tensor:
    """The native loss."""
    if loss is None:
        raise RuntimeError("transducer: the native library does not serve here")
    return loss


def peak(who: str, size: Sizes, cast: bool) -> float:
    """MiB that a step of training takes at its peak beyond its inputs.

    Args:
        who: "recurra" or "torch".
    """
    form = "bf16" if cast else "float32"
    command = [sys.executable, "-m", "bench.transducer", who, form, *map(str, size)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    return float(done.stdout)


def _measure(who: str, form: str, size: Sizes) -> float:
    torch.set_num_threads(1)

    def step(size: Sizes) -> Callable[[], object]:
        made = work(size)
        return made.train(made.ours if who == "recurra" else made.peer, form == "bf16")

    step(Sizes(2, 3, 2, 5, min(size.J, 4)))()
    measured = step(size)
    path, word = CLEAR_PEAK
    Path(path).write_text(word)
    before = status("VmRSS")
    measured()
    return (status("VmHWM") - before) / 2**10


if __name__ == "__main__":
    who, form, *numbers = sys.argv[1:]
    print(_measure(who, form, Sizes(*map(int, numbers))))
