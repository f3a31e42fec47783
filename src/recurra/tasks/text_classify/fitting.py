"""From texts and labels to what can be known about them: the course of a fit."""

import sys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from recurra.data import Labelled
from recurra.errors import DataError, OptionError
from recurra.tasks.classes.labels import class_weights, in_order
from recurra.tasks.classes.metrics import confusion
from recurra.tasks.classes.split import Parts
from recurra.tasks.encoder import read_encoder
from recurra.tasks.estimator import Measures
from recurra.tasks.text_classify.calibration import Calibration
from recurra.tasks.text_classify.corpus import Reader
from recurra.tasks.text_classify.learned import Learned
from recurra.tasks.text_classify.measure import measured
from recurra.tasks.text_classify.naive_bayes import NaiveBayes
from recurra.tasks.text_classify.network import Examples, TextLesson, answer
from recurra.tasks.text_classify.setting import Setting
from recurra.train import Course, History, Plan

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SHOWN = 8
NO_COURSE = Course()


@dataclass(frozen=True)
class Wishes:
    """What the user said about the fit; the fields are those of `TextClassifier`."""

    cell: str
    hidden_size: int
    num_layers: int
    word_size: int
    char_size: int
    pooling: tuple[str, ...]
    dropout: float
    word_dropout: float
    class_weights: str
    label_smoothing: float
    min_count: int
    keep_case: bool
    most_words: int
    batch_size: int
    seed: int
    encoder: str | None

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(f"--label-smoothing is {self.label_smoothing}; it lies in 0 … 1")
        if self.most_words < 1:
            raise OptionError(f"--most-words is {self.most_words}; it is at least 1")


@dataclass(frozen=True)
class Fitted:
    """The outcome of a fit."""

    learned: Learned
    history: History
    measures: Measures


class Fit:
    """One fit: decides, teaches, calibrates, measures, and says so line by line.

    Args:
        data: the texts and their labels.
        parts: which of them are learned from, validated on, and tested on.
        wishes: what the user said.
        plan: how long and how fast to learn.
        course: where checkpoints are kept, and who watches.

    Raises:
        DataError: a class is only in what is held out, or no word is learned from.
    """

    def __init__(
        self, data: Labelled, parts: Parts, wishes: Wishes, plan: Plan, course: Course = NO_COURSE
    ) -> None:
        self.data, self.parts, self.wishes, self.plan, self.course = (
            data,
            parts,
            wishes,
            plan,
            course,
        )
        for fact in data.facts:
            self._say("found", fact)
        self.classes, self.labels = self._classes()
        self.begun = None if wishes.encoder is None else read_encoder(wishes.encoder)
        reader, vocab_size = Reader.learn(
            (data.texts[row] for row in parts.training),
            lowercase=not wishes.keep_case,
            most_words=wishes.most_words,
            min_count=wishes.min_count,
        )
        if self.begun is not None:
            reader = replace(reader, encoder=self.begun.encoder)
            self.course = replace(course, same={**course.same, "encoder": self.begun.hash})
        self.reader = reader
        if len(self.reader.words) == 1:
            raise DataError(f"{data.name}: no word in {len(parts.training)} texts to learn from")
        self.corpus = self.reader.read(data.texts)
        self.setting = self._setting(vocab_size)
        self._told()

    def run(self) -> Fitted:
        """Teach the network, then calibrate and measure it."""
        network, history = self.lesson().teach(self.plan, self.course)
        self._say(
            "learned",
            f"{len(history.epochs)} epochs in {history.epochs[-1].seconds:.0f} s, ended by "
            f"{history.ended}; kept epoch {history.best.epoch}",
        )
        training = self._texts(self.parts.training)
        counts = NaiveBayes.fit(
            [self.corpus.numbers[text] for text in training],
            self.labels[self.parts.training],
            len(self.classes),
            len(self.reader.words),
        )
        held = self._texts(self.parts.validation)
        calibration = Calibration.fit(
            answer(network, self.corpus, held, self.setting),
            counts.scores([self.corpus.numbers[text] for text in held]),
            self.labels[self.parts.validation],
        )
        self._say(
            "blended", f"{calibration.share:.0%} of naive Bayes over word counts, by validation"
        )
        found = self._learned(network, counts, calibration, np.zeros((0, 0), np.int64))
        about = f"on {len(self.parts.test):,} texts of {self.data.name}, held out"
        test = self.parts.test
        measures, probabilities = measured(found, self.corpus, test, self.labels[test], about)
        table = confusion(probabilities.argmax(axis=1), self.labels[test], len(self.classes))
        return Fitted(self._learned(network, counts, calibration, table), history, measures)

    def lesson(self) -> TextLesson:
        """What the network learns from; it is not built yet."""
        examples = Examples(
            self.corpus,
            self.labels,
            self.parts.training,
            self.parts.validation,
            class_weights(self._counts(), self.wishes.class_weights),
        )
        wishes = self.wishes
        return TextLesson(
            self.setting,
            examples,
            wishes.batch_size,
            wishes.label_smoothing,
            wishes.seed,
            self.begun,
        )

    def _learned(
        self, network: nn.Module, counts: NaiveBayes, calibration: Calibration, table: Indices
    ) -> Learned:
        return Learned(
            setting=self.setting,
            network=network,
            reader=self.reader,
            classes=self.classes,
            counts=counts,
            calibration=calibration,
            text=self.data.text,
            label=self.data.label,
            shown=tuple(self.data.texts[row] for row in self.parts.test[:SHOWN]),
            confusion=table,
        )

    def _texts(self, rows: Indices) -> list[Indices]:
        return [self.corpus.texts[row] for row in rows]

    def _counts(self) -> Indices:
        return np.bincount(self.labels[self.parts.training], minlength=len(self.classes))

    def _classes(self) -> tuple[tuple[str, ...], Indices]:
        """The labels, ascending, and the number of each text's own."""
        training = {self.data.labels[row] for row in self.parts.training}
        if new := sorted(set(self.data.labels) - training):
            raise DataError(
                f'{self.data.name}: the label "{new[0]}" is only in what is held out; it takes '
                "texts to learn it from"
            )
        classes = tuple(sorted(training, key=in_order))
        numbers = {label: number for number, label in enumerate(classes)}
        return classes, np.array([numbers[label] for label in self.data.labels], np.int64)

    def _setting(self, vocab_size: int) -> Setting:
        wishes = self.wishes
        return Setting(
            cell=wishes.cell,
            hidden_size=wishes.hidden_size,
            num_layers=wishes.num_layers,
            word_size=wishes.word_size,
            char_size=wishes.char_size,
            vocab_size=vocab_size,
            alphabet_size=len(self.reader.letters),
            classes=len(self.classes),
            pooling=wishes.pooling,
            dropout=wishes.dropout,
            word_dropout=wishes.word_dropout,
        )

    def _told(self) -> None:
        counts, setting = self._counts(), self.setting
        most, least = int(counts.argmax()), int(counts.argmin())
        self._say(
            "split",
            f"{len(self.parts.training):,} texts to learn from, {len(self.parts.validation):,} to "
            f"validate, {len(self.parts.test):,} to test; "
            f"{counts[most]:,} {self.classes[most]} … {counts[least]:,} {self.classes[least]}",
        )
        if self.corpus.cut:
            self._say(
                "cut",
                f"{self.corpus.cut:,} texts after {self.reader.most_words} words; --most-words N "
                "reads more",
            )
        weights = f"{setting.weights(self.reader.encoder):,} weights"
        if self.begun is not None:
            self._say("model", f"{self.begun.told()}; {weights}")
            return
        self._say(
            "model",
            f"{setting.cell} of {setting.hidden_size} from both ends; {setting.vocab_size:,} of "
            f"{len(self.reader.words):,} words; {weights}",
        )

    def _say(self, what: str, fact: str) -> None:
        if not self.plan.quiet:
            print(f"{what:<9} {fact}", file=sys.stderr, flush=True)
