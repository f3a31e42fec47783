"""Trainings that are killed, or whose disk fills up, and go on: the real command, real signals.

Each is held against the same training undisturbed: the weights must be the same bytes.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.rows import Row
from recurra.errors import MissingFileError, RecurraError
from recurra.tasks import Forecaster, load
from recurra.train import checkpoint_file, read_checkpoint

KILLS = 20
OPTIONS = ("--epochs", "4", "--hidden-size", "16", "--checkpoint-minutes", "0")
DISK = 4 << 20


class Folder:
    """A place with a table in it, and commands run there.

    Args:
        place: an empty folder.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data = Forecaster.sample(place)

    def train(self, run: Path, resume: bool = False) -> "subprocess.Popen[str]":
        """The command, begun."""
        what = ["--resume", str(run)] if resume else [str(self.data), "--out", str(run), *OPTIONS]
        return subprocess.Popen(
            [sys.executable, "-m", "recurra", "train", "forecast", *what],
            cwd=self.place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def whole(self, run: Path, resume: bool = False) -> None:
        """The command, to its end.

        Raises:
            RuntimeError: it failed.
        """
        process = self.train(run, resume)
        _, said = process.communicate()
        if process.returncode:
            raise RuntimeError(f"exit status {process.returncode}: {said}")


def kills(seed: int = 0) -> Iterator[Row]:
    """kill -9 at moments drawn over the whole training, and while something is being written."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place))
        begun = time.monotonic()
        folder.whole(folder.place / "undisturbed")
        lasts = time.monotonic() - begun
        wanted = weights(folder.place / "undisturbed")
        same = readable = saving = 0
        for number in range(KILLS):
            run = folder.place / f"run-{number}"
            process = folder.train(run)
            moment = writing(run) if number % 2 else after(draw.uniform(0.2, 1.0) * lasts)
            while process.poll() is None and not moment():
                time.sleep(0.0005)
            process.kill()
            process.communicate()
            saving += bool(leftovers(run))
            readable += may_be_read(run)
            if not (run / "run.json").exists():
                folder.whole(run, resume=checkpoint_file(run).exists())
            same += weights(run) == wanted
    yield Row("kill -9, then --resume", "same weights", same, f"of {KILLS}")
    yield Row("kill -9, then --resume", "readable at once", readable, f"of {KILLS}")
    yield Row("kill -9, then --resume", "killed while writing", saving, f"of {KILLS}")


def after(seconds: float) -> Callable[[], bool]:
    """The moment so long from now."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def writing(run: Path) -> Callable[[], bool]:
    """The moment at which a file or folder stands beside its place, not yet renamed."""
    return lambda: bool(leftovers(run))


def leftovers(run: Path) -> list[Path]:
    """What is written beside its place."""
    return [*run.parent.glob(f".{run.name}.*"), *(run / "checkpoint").glob(".*.part")]


def may_be_read(run: Path) -> bool:
    """Whether what stands at `run` is a whole run, a whole checkpoint, or nothing at all."""
    try:
        if (run / "run.json").exists():
            load(run)
            return True
        if run.exists():
            read_checkpoint(run)
        return True
    except MissingFileError:
        return False
    except RecurraError:
        return False


def weights(run: Path) -> bytes:
    """The file with the weights."""
    return (run / "model.safetensors").read_bytes()


def full_disk() -> Iterator[Row]:
    """A small disk that fills up between two checkpoints; it needs the right to mount one."""
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as disk:
        folder, small = Folder(Path(place)), Path(disk)
        folder.whole(folder.place / "undisturbed")
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", disk]
        if subprocess.run(mount, check=False).returncode:
            print("full disk: this user may not mount a small disk, so it is left out")
            return
        try:
            status, said = _filled(folder, small)
            readable = may_be_read(small / "run")
            (small / "filler").unlink()
            folder.whole(small / "run", resume=True)
            same = weights(small / "run") == weights(folder.place / "undisturbed")
        finally:
            subprocess.run(["umount", disk], check=True)
    print(said)
    named = "No space left on device" in said and "checkpoint before it is whole" in said
    yield Row("full disk", "exit status", status, "")
    yield Row("full disk", "line names the disk", named, "of 1")
    yield Row("full disk", "checkpoint loads", readable, "of 1")
    yield Row("full disk", "same weights later", same, "of 1")


def _filled(folder: Folder, small: Path) -> tuple[int, str]:
    """Exit status and last line of a training whose disk is filled after its first checkpoint."""
    process = folder.train(small / "run")
    while process.poll() is None and not checkpoint_file(small / "run").exists():
        time.sleep(0.001)
    with (small / "filler").open("wb", buffering=0) as filler:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    filler.write(os.urandom(size))
            except OSError:
                continue
    _, said = process.communicate()
    return process.returncode, said.splitlines()[-1]
