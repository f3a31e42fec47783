"""The peak memory of one training step, in a process of its own.

python -m bench.memory recurra|torch T B H
"""

import os
import subprocess
import sys
from pathlib import Path

from bench.timing import Measured, summary
from bench.work import Shape

ROOT = Path(__file__).parents[1]
# Written here, it makes the peak begin again at what is used now; Linux alone has it.
CLEAR_PEAK = ("/proc/self/clear_refs", "5")
WARM = Shape(2, 2, 8)


def peak_memory(who: str, shape: Shape, repeats: int) -> Measured:
    """MiB that a step of training takes at its peak beyond weights, input and what was loaded.

    Args:
        who: "recurra" or "torch".
    """
    command = [sys.executable, "-m", "bench.memory", who, *map(str, shape)]
    # The allocator gives back at once what is freed, so that a peak is what was in use together.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    taken = [
        float(
            subprocess.run(
                command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE
            ).stdout
        )
        for _ in range(min(repeats, 3))
    ]
    middle = summary(taken)
    return Measured(middle.ms / 1e3, middle.spread)


def _measure(who: str, shape: Shape) -> float:
    import torch
    from torch import nn

    from recurra.cells import LSTM

    torch.set_num_threads(1)

    def layer(H: int) -> nn.Module:
        return LSTM(H, H) if who == "recurra" else nn.LSTM(H, H)

    def step(module: nn.Module, x: torch.Tensor) -> None:
        y, _ = module.sequence(x) if isinstance(module, LSTM) else module(x)
        y.sum().backward()

    def inputs(shape: Shape) -> torch.Tensor:
        first = (shape.B, shape.T) if who == "recurra" else (shape.T, shape.B)
        return torch.randn(*first, shape.H, requires_grad=True)

    step(layer(WARM.H), inputs(WARM))
    module, x = layer(shape.H), inputs(shape)
    path, word = CLEAR_PEAK
    Path(path).write_text(word)
    before = status("VmRSS")
    step(module, x)
    return (status("VmHWM") - before) / 2**10


def status(name: str) -> int:
    """KiB, as the kernel counts them."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    ]
    return int(line.split()[1])


if __name__ == "__main__":
    who, *numbers = sys.argv[1:]
    print(_measure(who, Shape(*map(int, numbers))))
