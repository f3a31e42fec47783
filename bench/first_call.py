"""How long the first call of a cell takes, in a process of its own.

    python -m bench.first_call catalogue|user|warm infer|train

"catalogue": a cell of the package. "user": a cell that nobody has seen, nothing kept on disk.
"warm": the same, after another cell has been called.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from bench.timing import Measured, summary
from bench.user_cells import SoftmaxMemory
from bench.work import SHAPES, plain_loop, sequence, work
from recurra.cells import GRU, CoupledLSTM

ROOT = Path(__file__).parents[1]
CELLS = {"catalogue": GRU, "user": SoftmaxMemory, "warm": SoftmaxMemory}


def first_call(which: str, mode: str, repeats: int) -> tuple[Measured, Measured]:
    """The first call and the second one, by the wall clock, over several processes."""
    command = [sys.executable, "-m", "bench.first_call", which, mode]
    taken = []
    for _ in range(min(repeats, 5)):
        with tempfile.TemporaryDirectory() as empty:
            environment = os.environ | {"XDG_CACHE_HOME": empty, "HOME": empty}
            done = subprocess.run(
                command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
            )
        taken.append([float(word) for word in done.stdout.split()])
    first, second = zip(*taken, strict=True)
    return summary(list(first)), summary(list(second))


def _measure(which: str, mode: str) -> list[float]:
    torch.set_num_threads(1)
    T, B, H = SHAPES["S"]
    x = torch.randn(B, T, H, requires_grad=True)
    cell = CELLS[which](H, H)
    # Torch's own first products and gradients are not the engine's.
    work("train", plain_loop(cell, x[:, :2].detach()), cell.parameters())()
    if which == "warm":
        other = CoupledLSTM(H, H)
        work("train", sequence(other, x), (x, *other.parameters()))()
    call = work(mode, sequence(cell, x), (x, *cell.parameters()))
    taken = []
    for _ in range(2):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return taken


if __name__ == "__main__":
    print(*_measure(*sys.argv[1:]))
