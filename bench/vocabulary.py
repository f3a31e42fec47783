"""The product with a vocabulary, and the loss over it, beside torch's.

The peer is `F.linear`, and `F.cross_entropy` of it; both losses are compared before anything is
timed. The rows "vocabulary memory" are the peak of one training step, each in a process of its own.

python -m bench.vocabulary recurra|torch N H V
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.memory import CLEAR_PEAK, ROOT, status
from bench.rows import wanted
from bench.timing import Budget, Timing, compare
from recurra.engine import dense
from recurra.layers import vocabulary_nats

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
# Rows N of steps, width H, vocabulary V.
SIZES = {
    "words": (1400, 400, 10_000),
    "pieces": (2048, 512, 2048),
    "letters": (2048, 512, 65),
    "many": (640, 1024, 33_000),
}


def rows(
    only: str, threads: int, budget: Budget, sizes: dict[str, tuple[int, int, int]] = SIZES
) -> Iterator[Timing]:
    """Every case that matches."""
    for name, size in sizes.items():
        if wanted(f"vocabulary product {name}", only):
            yield from product(f"vocabulary product {name}", inputs(*size), threads, budget)
        for cast in (False, True):
            case = f"vocabulary {name}{' bf16' if cast else ''}"
            if wanted(case, only):
                yield from loss(case, inputs(*size), cast, threads, budget)
        case = f"vocabulary memory {name}"
        if threads == 1 and wanted(case, only):
            ours, peer = (peak(who, *size) for who in ("recurra", "torch"))
            yield Timing(case, "train", 1, "torch cross_entropy", ours, peer, 0.0, 0.0, "MiB")


def inputs(N: int, H: int, V: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """h, w and b, all of which learn, and targets."""
    h, w, b = torch.randn(N, H), torch.randn(V, H) / H**0.5, torch.zeros(V)
    for each in (h, w, b):
        each.requires_grad_()
    return h, w, b, torch.randint(V, (N,))


def product(
    case: str, given: tuple[Tensor, Tensor, Tensor, Tensor], threads: int, budget: Budget
) -> Iterator[Timing]:
    """The scores of all rows, and their gradients."""
    h, w, b, _ = given
    dy = torch.randn(len(h), len(w))

    def infer(f: Callable[..., Tensor]) -> Callable[[], Tensor]:
        return torch.no_grad()(lambda: f(h, w, b))

    def train(f: Callable[..., Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(f(h, w, b), (h, w, b), dy)

    for mode, how in (("infer", infer), ("train", train)):
        yield from compare(case, mode, threads, how(dense), {"torch linear": how(F.linear)}, budget)


def loss(
    case: str,
    given: tuple[Tensor, Tensor, Tensor, Tensor],
    cast: bool,
    threads: int,
    budget: Budget,
) -> Iterator[Timing]:
    """The mean nats, and their gradients.

    Args:
        cast: under autocast to bfloat16.
    """
    torch.testing.assert_close(vocabulary_nats(*given), torchs(*given), rtol=1e-4, atol=0.0)

    def value(f: Loss) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            return f(*given) / len(given[0])

    def infer(f: Loss) -> Callable[[], Tensor]:
        return torch.no_grad()(lambda: value(f))

    def train(f: Loss) -> Callable[[], object]:
        return lambda: torch.autograd.grad(value(f), given[:3])

    for mode, how in (("infer", infer), ("train", train)):
        peer = {"torch cross_entropy": how(torchs)}
        yield from compare(case, mode, threads, how(vocabulary_nats), peer, budget)


def torchs(h: Tensor, w: Tensor, b: Tensor, targets: Tensor) -> Tensor:
    """The same by torch."""
    return F.cross_entropy(F.linear(h, w, b), targets, reduction="sum")


def peak(who: str, N: int, H: int, V: int) -> float:
    """MiB that a training step takes at its peak beyond its inputs.

    Args:
        who: "recurra" or "torch".
    """
    command = [sys.executable, "-m", "bench.vocabulary", who, str(N), str(H), str(V)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    return float(done.stdout)


def _measure(who: str, N: int, H: int, V: int) -> float:
    torch.set_num_threads(1)
    f: Loss = vocabulary_nats if who == "recurra" else torchs

    def step(given: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        torch.autograd.grad(f(*given) / N, given[:3])

    step(inputs(8, 4, 16))
    given = inputs(N, H, V)
    path, word = CLEAR_PEAK
    Path(path).write_text(word)
    before = status("VmRSS")
    step(given)
    return (status("VmHWM") - before) / 2**10


if __name__ == "__main__":
    who, *numbers = sys.argv[1:]
    print(_measure(who, *map(int, numbers)))
