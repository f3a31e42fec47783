"""Sequences with a class or a value, as the sets beside this project hold them, and their splits.

Each reader gives what a user would hand to an estimator: a list of sequences, an answer for each,
and who each comes from where that decides the split. Nothing is scaled with more than the training
part knows: units that a set's page states, such as a grey level of 0 to 255, are all that is
undone.
"""

import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CAP = 125  # cycles of remaining life above which an engine is as good as new
SENSORS = [f"s{number}" for number in range(1, 22)]
SETTINGS = ["setting1", "setting2", "setting3"]
POINTS = 8


class Samples(NamedTuple):
    """Sequences, their answers, and who they come from.

    `x` holds arrays (T, F), texts or paths; an answer of `y` is that of a sequence, or one a step.
    """

    x: list[Any]
    y: list[Any]
    groups: NDArray[np.str_] | None = None

    def take(self, rows: NDArray[np.int64]) -> "Samples":
        """Some of them, in the order asked for."""
        groups = None if self.groups is None else self.groups[rows]
        return Samples([self.x[row] for row in rows], [self.y[row] for row in rows], groups)


class Split(NamedTuple):
    """What is learned from, and what is measured once."""

    name: str
    train: Samples
    test: Samples


def archive(folder: Path, name: str) -> Split:
    """A set of the UEA archive, by its own split."""
    with np.load(folder / "sensors" / name / f"{name}.npz") as found:
        train, test = (
            Samples(
                _cut(found[f"X_{part}"], found[f"X_{part}_offsets"]),
                [str(found["classes"][number]) for number in found[f"y_{part}"]],
            )
            for part in ("train", "test")
        )
    return Split(name, train, test)


def pendigits(folder: Path) -> Split:
    """Strokes of eight points; 30 writers to learn from, 14 others to measure."""
    train, test = (
        _strokes(pd.read_csv(folder / "handwriting" / "pendigits" / f"{part}.csv.gz"))
        for part in ("train", "test")
    )
    return Split("pendigits", train, test)


def movement(folder: Path) -> tuple[Samples, NDArray[np.int64]]:
    """Walks with the environment as their group, and the path that each follows, 1 to 6."""
    with np.load(folder / "sensors" / "movement_aal" / "movement_aal.npz") as found:
        answers = ["change" if change == 1 else "stay" for change in found["y"]]
        groups = found["environment"].astype(str)
        walks = Samples(_cut(found["X"], found["offsets"]), answers, groups)
        return walks, found["path"].astype(np.int64)


def daily(folder: Path) -> Samples:
    """Wrist accelerations in g, with the volunteer as their group."""
    with np.load(folder / "sensors" / "hmp_adl" / "hmp_adl.npz") as found:
        sequences = _cut(found["X"], found["offsets"])
        return Samples(
            [-1.5 + 3 * steps / 63 for steps in sequences],
            [str(found["classes"][number]) for number in found["y"]],
            found["volunteer"].astype(str),
        )


def poses(folder: Path) -> Iterator[Split]:
    """Joints of a person, 15 points in the plane a frame; the three official splits."""
    with np.load(folder / "video" / "jhmdb_pose" / "jhmdb_pose.npz") as found:
        steps = found["X"].reshape(len(found["X"]), -1)
        answers = [str(found["classes"][number]) for number in found["y"]]
        clips = Samples(_cut(steps, found["offsets"]), answers)
        parts = found["is_test"].astype(bool)
    for number, test in enumerate(parts.T, 1):
        rest, held = np.flatnonzero(~test), np.flatnonzero(test)
        yield Split(f"split {number}", clips.take(rest), clips.take(held))


def engines(folder: Path) -> Split:
    """Engines and, at each cycle, how many cycles they have left, at most `CAP`.

    Channels that never move in the training part say nothing and are left out. A test engine is
    measured at its last cycle; only that answer is published, and is not capped here.
    """
    place = folder / "sensors" / "cmapss_fd001"
    parts = [pd.read_csv(place / f"{part}_FD001.csv.gz") for part in ("train", "test")]
    left = pd.read_csv(place / "RUL_FD001.csv")["rul"].to_numpy()
    moving = [name for name in [*SETTINGS, *SENSORS] if parts[0][name].nunique() > 1]
    runs, cut = (_engines(part, moving) for part in parts)
    lives = [np.minimum(np.arange(len(run))[::-1], CAP).astype(float) for run in runs]
    return Split("cmapss_fd001", Samples(runs, list(lives)), Samples(cut, list(left.astype(float))))


def bases(folder: Path, name: str) -> Samples:
    """Texts of DNA with their label, 1 or 0."""
    rows = pd.read_csv(folder / "genomes" / name / f"{name}.csv.gz")
    return Samples(rows["sequence"].tolist(), rows["label"].astype(str).tolist())


def digits(folder: Path) -> Split:
    """Images of 28 rows, each a step of 28 grey levels, 0 to 1."""
    with np.load(folder / "long_range" / "mnist" / "mnist.npz") as found:
        train, test = (
            Samples(
                list((found[f"x_{part}"] / 255).astype(np.float32)),
                found[f"y_{part}"].astype(str).tolist(),
            )
            for part in ("train", "test")
        )
    return Split("mnist", train, test)


def spoken(folder: Path, place: Path) -> tuple[Samples, NDArray[np.bool_]]:
    """Paths of spoken digits, unpacked, with their speaker, and which the official test holds.

    Args:
        folder: of all sets.
        place: an empty folder for the WAV files.
    """
    home = folder / "speech" / "fsdd"
    with zipfile.ZipFile(home / "fsdd_wav.zip") as packed:
        packed.extractall(place)
    found = {path.name: path for path in place.rglob("*.wav")}
    with (home / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    paths = [str(found[Path(row["file"]).name]) for row in rows]
    speakers = np.array([row["speaker"] for row in rows])
    clips = Samples(paths, [row["digit"] for row in rows], speakers)
    return clips, np.array([row["split"] == "test" for row in rows])


def folds(samples: Samples, number: int, seed: int = 0) -> Iterator[Split]:
    """Each part once as what is measured: whole groups where there are some, else even in classes.

    Groups go, the largest first, to the fold that has the fewest samples.

    Args:
        samples: all.
        number: of folds.
        seed: of the order in which groups or samples are dealt.
    """
    which = _dealt(samples, number, np.random.default_rng(seed))
    for fold in range(number):
        rest, held = np.flatnonzero(which != fold), np.flatnonzero(which == fold)
        yield Split(f"fold {fold + 1}", samples.take(rest), samples.take(held))


def parted(samples: Samples, kinds: NDArray[np.int64], share: float, seed: int = 0) -> Split:
    """One split in which each kind of sample has the same share measured."""
    held = np.zeros(len(samples.x), bool)
    draw = np.random.default_rng(seed)
    for kind in np.unique(kinds):
        own = draw.permutation(np.flatnonzero(kinds == kind))
        held[own[: round(share * len(own))]] = True
    rest, test = np.flatnonzero(~held), np.flatnonzero(held)
    return Split("homogeneous", samples.take(rest), samples.take(test))


def holed(samples: Samples, share: float, seed: int) -> Samples:
    """The same with a share of all values deleted at random."""
    draw = np.random.default_rng(seed)
    x = [np.where(draw.random(steps.shape) < share, np.nan, steps) for steps in samples.x]
    return samples._replace(x=[steps.astype(np.float32) for steps in x])


def _dealt(samples: Samples, number: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each sample."""
    if samples.groups is not None:
        names, own, sizes = np.unique(samples.groups, return_inverse=True, return_counts=True)
        places, full = np.zeros(len(names), np.int64), np.zeros(number)
        for name in sorted(draw.permutation(len(names)), key=lambda name: -sizes[name]):
            places[name] = full.argmin()
            full[places[name]] += sizes[name]
        return places[own]
    which, begun = np.zeros(len(samples.y), np.int64), 0
    answers = np.array(samples.y)
    for label in np.unique(answers):
        own = draw.permutation(np.flatnonzero(answers == label))
        which[own] = (begun + np.arange(len(own))) % number
        begun += len(own)
    return which


def _cut(values: NDArray[Any], offsets: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    return np.split(values.astype(np.float32), offsets[1:-1])


def _strokes(table: pd.DataFrame) -> Samples:
    points = table.to_numpy()[:, : 2 * POINTS].reshape(-1, POINTS, 2).astype(np.float32)
    return Samples(list(points), table["digit"].astype(str).tolist())


def _engines(table: pd.DataFrame, channels: list[str]) -> list[NDArray[np.float32]]:
    runs = table.sort_values(["unit", "cycle"]).groupby("unit", sort=True)
    return [run[channels].to_numpy(np.float32) for _, run in runs]
