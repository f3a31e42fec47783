"""A sensor loop that answers each reading at once, is killed, and goes on where it was.

    python examples/sensor.py            the whole story
    python examples/sensor.py FILE       the loop alone; FILE keeps its state

The network here is untrained: what matters is that its answers do not notice the kill.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from torch import nn

from recurra import GRU, Each, Stack, Stream

READINGS = 3000
KEEP_EVERY = 500


def network() -> Stack:
    """Two layers and a head."""
    torch.manual_seed(0)
    return Stack([GRU(3, 32), GRU(32, 32), Each(nn.Linear(32, 1))]).eval()


def reading(t: int) -> torch.Tensor:
    """Three channels, as a sensor would give them at time t."""
    return torch.tensor([math.sin(t / 7), math.cos(t / 31), math.sin(t * t / 1000)])


def loop(place: Path) -> None:
    """Answer reading after reading; keep the state now and then, beside and renamed."""
    stream, t = Stream(network()), 0
    if place.exists():
        count, state = place.read_bytes().split(b"\n", 1)
        stream.restore(state)
        t = int(count)
        print(f"restored at reading {t}", flush=True)
    taken = []
    while t < READINGS:
        begun = time.perf_counter()
        y = stream.push(reading(t))
        taken.append(time.perf_counter() - begun)
        t += 1
        if t % KEEP_EVERY == 0:
            beside = place.with_suffix(".new")
            beside.write_bytes(b"%d\n" % t + stream.snapshot())
            os.replace(beside, place)
            print(f"kept at reading {t}", flush=True)
    print(f"last answer {y.item().hex()}, half of all within {1e6 * median(taken):.1f} us")


def story() -> None:
    """A loop that is killed and begun again, and one that is left alone."""
    with tempfile.TemporaryDirectory() as folder:
        killed, left = Path(folder, "killed"), Path(folder, "left")
        command = [sys.executable, __file__]
        with subprocess.Popen([*command, killed], stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                print(line, end="")
                if line.startswith("kept at reading 1000"):
                    process.kill()
                    print("killed")
                    break
        answers = []
        for place in (killed, left):
            made = subprocess.run([*command, place], capture_output=True, text=True, check=True)
            first, *_, last = made.stdout.splitlines()
            print(first if place is killed else "another loop, never killed", last, sep="\n")
            answers.append(last.split(",")[0])
        print("the same bits" if answers[0] == answers[1] else "the answers differ")
        if answers[0] != answers[1]:
            sys.exit(1)


if __name__ == "__main__":
    loop(Path(sys.argv[1])) if len(sys.argv) > 1 else story()
