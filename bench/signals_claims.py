"""What holds for any model of sequences: company changes no answer, and length takes no memory.

`python -m bench.signals_claims RUN CLIP` answers one clip and prints the most memory, in MiB, that
the process had; a process of its own for each clip, so that none inherits another's.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.moving_shapes import frames, write_clip, write_clips
from bench.rows import Row
from recurra.tasks import SequenceClassifier

NEAR = 1e-6
MORE, SHORT, LONG = 50.0, 60, 3600  # MiB, and seconds
CHANNELS, STEPS = 3, 40
NETWORKS: dict[str, dict[str, Any]] = {
    "default": {"missing": "mark"},
    "lstm-fcn": {"cell": "lstm", "fcn": 8, "missing": "interpolate"},
    "gru_d": {"cell": "gru_d", "missing": "cell"},
    "attention": {"self_attention": 2, "convolution": 3, "missing": "mean"},
}

Floats = NDArray[np.float64]


def invariance(name: str) -> Iterator[Row]:
    """How far a probability moves when a sequence is answered in other company."""
    for network, fields in NETWORKS.items():
        drawn = np.random.default_rng(0)
        x = [_walk(drawn, length) for length in drawn.integers(2, STEPS, 40)]
        classifier = SequenceClassifier(
            hidden_size=16, epochs=2, quiet=True, measured_on="validation", **fields
        ).fit(x, ["ab"[number % 2] for number in range(len(x))])
        for metric, value in _moved(classifier.predict_proba, x, _walk(drawn, 9 * STEPS)).items():
            yield Row(name, f"{network}: {metric}", value, "", "at most", NEAR)


def one_hour_clip(name: str) -> Iterator[Row]:
    """The memory of an answer to an hour of video, beyond that to a minute."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_clips(folder / "shapes", 6, 0)
        run = folder / "run"
        classifier = SequenceClassifier(one_way=True, epochs=1, quiet=True)
        classifier.fit(str(folder / "shapes")).save(run)
        most = {}
        for seconds in (SHORT, LONG):
            clip = folder / f"{seconds}.mp4"
            _write(clip, seconds)
            command = [sys.executable, "-m", "bench.signals_claims", str(run), str(clip)]
            most[seconds] = float(subprocess.check_output(command, text=True).split()[-1])
    yield Row(name, "most memory, a minute", most[SHORT], "MiB")
    yield Row(name, "most memory, an hour", most[LONG], "MiB")
    yield Row(name, "more for an hour", most[LONG] - most[SHORT], "MiB", "at most", MORE)


CLAIMS: dict[str, Callable[[str], Iterator[Row]]] = {
    "one_hour_clip": one_hour_clip,
    "invariance": invariance,
}


def _moved(
    ask: Callable[[list[Floats]], Floats], x: list[Floats], long: Floats
) -> dict[str, float]:
    """The largest change of a probability by each of the three."""
    whole = ask(x)
    alone = np.concatenate([ask([steps]) for steps in x])
    padded = np.concatenate([ask([steps, long])[:1] for steps in x])
    turned = ask(x[::-1])[::-1]
    others = {"batch mates": alone, "padding": padded, "order of rows": turned}
    return {what: float(abs(found - whole).max()) for what, found in others.items()}


def _walk(drawn: np.random.Generator, length: int) -> Floats:
    """Steps (T, F) of which a tenth is missing."""
    steps = drawn.standard_normal((length, CHANNELS)).cumsum(axis=0)
    steps[drawn.random(steps.shape) < 0.1] = np.nan
    return steps


def _write(path: Path, seconds: int) -> None:
    """A clip of so many seconds, ten frames each, of one motion over and over."""
    motion = frames("left", np.random.default_rng(0))
    write_clip(path, motion[np.arange(10 * seconds) % len(motion)])


def main() -> None:
    """Answer one clip."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("clip", type=Path)
    args = parser.parse_args()
    SequenceClassifier.load(args.run).predict(str(args.clip))
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


if __name__ == "__main__":
    main()
