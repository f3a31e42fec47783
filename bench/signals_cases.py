"""How the cases of `bench.signals` are learned and measured."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import signals_data as data
from bench.moving_shapes import write_clips
from bench.signals_data import Samples, Split
from bench.signals_scores import accuracy, macro_f1, rmse
from recurra.tasks import SequenceClassifier, SequenceRegressor

# What reads values of which half are missing; the first is what the others are held against.
HOLED = {
    "gru over means": {"missing": "mean"},
    "gru_d": {"cell": "gru_d", "missing": "cell"},
    "cfc": {"cell": "cfc", "missing": "mark"},
}
SHARE = 0.5  # of values deleted
CLIPS = {"train": 100, "test": 50}  # of each motion
HELD = 1 / 3  # of the walks along each path that is measured


class Outcome(NamedTuple):
    """What one training came to, in the case's unit, and what stands beside it."""

    value: float
    minutes: float
    beside: Mapping[str, float] = {}


Learn = Callable[[Split, Mapping[str, Any]], Outcome]


@dataclass(frozen=True)
class Case:
    """One row of what was asked for.

    Args:
        metric: its name.
        bar: the least that was asked for, where something was.
        aim: what was aimed at.
        splits: of the sets in a folder, or made.
        learn: a training on a split with some fields, and its measure.
        unit: of the figure.
        needs: the set's place among the others; None where it is made.
        folds: whether each split is learned from once, in place of once a seed.
        fields: of the estimator, where they are no defaults.
        quoted: who else was measured, and the figure.
    """

    metric: str
    bar: float | None
    aim: float | None
    splits: Callable[[Path], Iterable[Split]]
    learn: Learn
    unit: str = "%"
    needs: str | None = None
    folds: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    quoted: tuple[str, float] | None = None

    def run(self, folder: Path, seeds: int, epochs: int | None) -> Iterator[Outcome]:
        """Every training of the case, one after another."""
        own = {} if epochs is None else {"epochs": epochs}
        for split in self.splits(folder):
            for seed in range(1 if self.folds else seeds):
                given = {"seed": seed, "quiet": True, "measured_on": "validation"}
                found = self.learn(split, {**given, **self.fields, **own})
                print(f"{split.name} seed {seed}: {found.value:.2f} in {found.minutes:.1f} min")
                yield found


def classified(
    score: Callable[[Sequence[str], Sequence[str]], float],
) -> Learn:
    """A classifier, measured on the test part alone."""

    def learn(split: Split, fields: Mapping[str, Any]) -> Outcome:
        begun = time.monotonic()
        classifier = SequenceClassifier(**fields).fit(split.train.x, split.train.y)
        minutes = (time.monotonic() - begun) / 60
        return Outcome(score(split.test.y, list(classifier.predict(split.test.x))), minutes)

    return learn


def above_baseline(split: Split, fields: Mapping[str, Any]) -> Outcome:
    """Macro F1 above the best baseline's, on what belongs to a class of the training part."""
    known = np.flatnonzero(np.isin(split.test.y, split.train.y))
    test = split.test.take(known)
    begun = time.monotonic()
    classifier = SequenceClassifier(**fields).fit(split.train.x, split.train.y)
    minutes = (time.monotonic() - begun) / 60
    own = macro_f1(test.y, list(classifier.predict(test.x)))
    found = classifier.measure((test.x, test.y)).baselines
    best = max(found, key=lambda name: found[name]["macro_f1"])
    beside = 100 * found[best]["macro_f1"]
    return Outcome(own - beside, minutes, {"macro F1": own, "baseline's macro F1": beside})


def lives(split: Split, fields: Mapping[str, Any]) -> Outcome:
    """The error of cycles left at the last step of each engine, as given and with the cap."""
    begun = time.monotonic()
    regressor = SequenceRegressor(per_step=True, **fields).fit(split.train.x, split.train.y)
    minutes = (time.monotonic() - begun) / 60
    ends = np.cumsum([len(run) for run in split.test.x]) - 1
    said = np.asarray(regressor.predict(split.test.x))[ends]
    capped = np.minimum(split.test.y, data.CAP)
    return Outcome(
        rmse(split.test.y, said), minutes, {"RMSE, true life capped": rmse(capped, said)}
    )


def holed(split: Split, fields: Mapping[str, Any]) -> Outcome:
    """How far the better cell that is told what is missing stands above a GRU over means.

    The same values are deleted for all of them, others with each seed.
    """
    seed, begun = fields["seed"], time.monotonic()
    train = data.holed(split.train, SHARE, 2 * seed)
    test = data.holed(split.test, SHARE, 2 * seed + 1)
    found = {}
    for name, own in HOLED.items():
        classifier = SequenceClassifier(**{**fields, **own}).fit(train.x, train.y)
        found[name] = accuracy(test.y, list(classifier.predict(test.x)))
    minutes = (time.monotonic() - begun) / 60
    first, *others = found.values()
    return Outcome(max(others) - first, minutes, found)


def homogeneous(folder: Path) -> Iterator[Split]:
    """Walks in the first two environments, of each path in each a third measured."""
    walks, paths = data.movement(folder)
    own = np.flatnonzero(walks.groups != "3")
    kinds = 10 * paths[own] + walks.groups[own].astype(int)
    yield data.parted(walks.take(own), kinds, HELD)


def heterogeneous(folder: Path) -> Iterator[Split]:
    """Walks in two environments to learn from, in a third to measure."""
    walks, _ = data.movement(folder)
    third = walks.groups == "3"
    rest, held = np.flatnonzero(~third), np.flatnonzero(third)
    yield Split("heterogeneous", walks.take(rest), walks.take(held))


def spoken(folder: Path, *, by_speaker: bool) -> Iterator[Split]:
    """Spoken digits from WAV files: the source's split, or each speaker left out in turn."""
    with tempfile.TemporaryDirectory() as place:
        clips, tested = data.spoken(folder, Path(place))
        names = np.unique(clips.groups) if by_speaker else ["official"]
        for name in names:
            held = clips.groups == name if by_speaker else tested
            rest, own = np.flatnonzero(~held), np.flatnonzero(held)
            yield Split(str(name), clips.take(rest), clips.take(own))


def moving_shapes(folder: Path) -> Iterator[Split]:
    """Clips of six motions as MP4, each part drawn anew."""
    del folder
    with tempfile.TemporaryDirectory() as place:
        train, test = (
            write_clips(Path(place) / name, count, seed)
            for seed, (name, count) in enumerate(CLIPS.items())
        )
        yield Split("moving_shapes", *(_named(paths) for paths in (train, test)))


def _named(paths: Sequence[Path]) -> Samples:
    """Files by the folder that they lie in."""
    return Samples([str(path) for path in paths], [path.parent.name for path in paths])


def dealt(read: Callable[[Path], data.Samples], number: int) -> Callable[[Path], Iterator[Split]]:
    """Folds of a set."""
    return lambda folder: data.folds(read(folder), number)


def one(read: Callable[[Path], Split]) -> Callable[[Path], Iterator[Split]]:
    """A set with one split."""
    return lambda folder: iter([read(folder)])
