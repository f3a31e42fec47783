"""Film reviews, a sentence each, as good or bad: two standard sets, with no vectors from elsewhere.

sst2     the sentences of the Stanford Sentiment Treebank, by its own split; the labels of phrases,
         with which most published figures were learned, are not used. Its dev part ends the
         learning and calibrates; its test part is measured once a seed.
mr       Pang's and Lee's sentences, ten folds: one tests, a tenth of the rest ends the learning.

All fields are the defaults. Sources: Socher et al., "Recursive Deep Models for Semantic
Compositionality Over a Sentiment Treebank", 2013; Pang and Lee, "Seeing Stars", 2005.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np

from bench.rows import Row, wanted
from recurra.data import Labelled, read_labelled
from recurra.tasks import TextClassifier
from recurra.tasks.classes.labels import numbers_of
from recurra.tasks.classes.split import Parts
from recurra.tasks.text_classify.fitting import Fit
from recurra.tasks.text_classify.measure import measured

FOLDS = 10
# A convolutional network from random vectors: for sst2 as the code of Kim 2014 was run again, with
# phrases (harvardnlp/sent-conv-torch, its README); for mr Kim 2014, table 2.
PUBLISHED = {"sst2": ("CNN-rand, with phrases", 83.5), "mr": ("CNN-rand", 76.1)}


class Outcome(NamedTuple):
    """What one training came to."""

    accuracy: float
    network: float
    counts: float
    nats: float
    ece: float
    before: float
    minutes: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the sentences are; `--seeds` of `ett` says how many runs of sst2 are averaged."""
    parser.add_argument(
        "--reviews", type=Path, default=Path("../shared/data/sentiment"), help="holds sst/ and mr/"
    )
    parser.add_argument("--folds", type=int, default=FOLDS, help="of mr that are measured")


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of both sets."""
    for name, make in {"sst2": _sst, "mr": _mr}.items():
        if not wanted(name, args.only):
            continue
        if not args.reviews.exists():
            print(f"{name}: {args.reviews} is not there; --reviews FOLDER says where it is")
            continue
        yield from _rows(name, list(make(args)))


def _sst(args: argparse.Namespace) -> Iterator[Outcome]:
    train, dev, test = (
        read_labelled(args.reviews / "sst" / f"sst2_{part}.tsv.gz")
        for part in ("train", "dev", "test")
    )
    for seed in range(args.seeds):
        first, last = len(train.texts), len(train.texts) + len(dev.texts)
        held = np.arange(first, last)
        yield _learned(_joined(train, dev), Parts(np.arange(first), held, held), test, seed)


def _mr(args: argparse.Namespace) -> Iterator[Outcome]:
    whole = read_labelled(args.reviews / "mr" / "mr.tsv.gz")
    order = np.random.default_rng(0).permutation(len(whole.texts))
    for fold in range(args.folds):
        rest = np.concatenate([order[other::FOLDS] for other in range(FOLDS) if other != fold])
        rest = np.random.default_rng(fold).permutation(rest)
        held, training = np.split(rest, [len(rest) // 10])
        test = _some(whole, order[fold::FOLDS])
        yield _learned(whole, Parts(np.sort(training), np.sort(held), np.sort(held)), test, fold)


def _learned(data: Labelled, parts: Parts, test: Labelled, seed: int) -> Outcome:
    """Learn from some texts, and answer others for the first time."""
    begun = time.monotonic()
    classifier = TextClassifier(seed=seed, quiet=True)
    fitted = Fit(data, parts, classifier.wishes(), classifier.plan()).run()
    minutes = (time.monotonic() - begun) / 60
    learned = fitted.learned
    corpus = learned.reader.read(test.texts)
    labels = numbers_of(test.labels, learned.classes, test.name)
    measures, _ = measured(learned, corpus, np.arange(len(labels)), labels, test.name)
    found = Outcome(
        measures.metrics["accuracy"],
        measures.baselines["network"]["accuracy"],
        measures.baselines["naive bayes"]["accuracy"],
        measures.metrics["nats"],
        measures.metrics["ece"],
        measures.metrics["ece_uncalibrated"],
        minutes,
    )
    held = fitted.measures.metrics
    print(
        f"{test.name} seed {seed}: held out {held['accuracy']:.2%}, {held['nats']:.4f} nats; "
        f"test {found.accuracy:.2%}, network {found.network:.2%}, counts {found.counts:.2%}, "
        f"{learned.calibration.share:.0%} counts, epoch {fitted.history.best.epoch} of "
        f"{len(fitted.history.epochs)}, {minutes:.1f} min",
        flush=True,
    )
    return found


def _rows(name: str, outcomes: list[Outcome]) -> Iterator[Row]:
    peer, value = PUBLISHED[name]
    figures = {
        "accuracy": (100 * mean(one.accuracy for one in outcomes), "%", peer, value),
        "network alone": (100 * mean(one.network for one in outcomes), "%", None, None),
        "naive bayes alone": (100 * mean(one.counts for one in outcomes), "%", None, None),
        "log loss": (mean(one.nats for one in outcomes), "nats", None, None),
        "calibration error": (
            100 * mean(one.ece for one in outcomes),
            "%",
            "uncalibrated",
            100 * mean(one.before for one in outcomes),
        ),
        "minutes, longest": (max(one.minutes for one in outcomes), "min", None, None),
    }
    for metric, (figure, unit, other, beside) in figures.items():
        row = Row(name, metric, figure, unit, other, beside)
        row.show()
        yield row


def _joined(first: Labelled, second: Labelled) -> Labelled:
    return Labelled(first.name, first.texts + second.texts, first.labels + second.labels)


def _some(data: Labelled, rows: np.ndarray) -> Labelled:
    return Labelled(
        data.name, tuple(data.texts[row] for row in rows), tuple(data.labels[row] for row in rows)
    )
