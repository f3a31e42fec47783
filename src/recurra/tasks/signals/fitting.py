"""From sequences and their answers to what can be known about them: the course of a fit."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.data.signals import Examples, Header, Sequences
from recurra.models import SequenceNetwork
from recurra.tasks.estimator import Measures
from recurra.tasks.signals.aims import Aim
from recurra.tasks.signals.baseline_store import worth_keeping
from recurra.tasks.signals.baselines import Baseline, baselines
from recurra.tasks.signals.choosing import choose, told
from recurra.tasks.signals.fronts import Front
from recurra.tasks.signals.learned import Learned, check_missing
from recurra.tasks.signals.lesson import Learning, SignalLesson, answer
from recurra.tasks.signals.parts import divide
from recurra.tasks.signals.wishes import Wishes
from recurra.train import Course, History, Plan, one_thread

Indices = NDArray[np.int64]
# Sequences that are kept to be shown, and numbers of them in all.
SHOWN, SHOWN_NUMBERS = 8, 50_000
NO_COURSE = Course()


@dataclass(frozen=True)
class Fitted:
    """The outcome of a fit."""

    learned: Learned
    history: History
    measures: Measures


class Fit:
    """One fit: decides, teaches, calibrates, measures, and says so line by line.

    Args:
        examples: what is learned from, and where something else is held out, that behind it.
        learned: how many of them are learned from.
        front: that read them.
        aim: kind of what is said of a sequence.
        own: what the task says of its answers.
        wishes: what the user said.
        plan: how long and how fast to learn.
        course: where checkpoints are kept, and who watches.

    Raises:
        DataError: the data cannot be learned from.
        OptionError: a wish does not fit the data.
    """

    def __init__(
        self,
        examples: Examples,
        learned: int,
        front: Front,
        aim: type[Aim],
        own: Mapping[str, Any],
        wishes: Wishes,
        plan: Plan,
        course: Course = NO_COURSE,
    ) -> None:
        self.examples, self.front, self.wishes = examples, front, wishes
        self.plan, self.course = plan, course
        for fact in examples.facts:
            self._say("found", fact)
        check_missing(examples.sequences, wishes.missing, examples.name)
        self.aim = aim.learn(examples, own)
        self.answers = self.aim.answers(examples)
        if examples.targets is not None:  # baselines learn what the network learns
            self.examples = examples = replace(examples, targets=self.answers)
        self.parts = divide(
            self.aim.strata(examples),
            examples.groups,
            learned=learned,
            seed=wishes.seed,
            tested=wishes.measured_on == "test",
        )
        held = np.concatenate([self.parts.validation, self.parts.test])
        self.aim.check(self._of(self.parts.training), self._of(held), examples.name)
        channels = len(examples.sequences.channels)
        chosen = choose(
            wishes,
            examples.sequences,
            len(self.parts.training),
            outputs=self.aim.outputs,
            per_step=examples.per_step,
            strands=front.strands(channels) if wishes.strands == "both" else None,
        )
        self.setting, self.batch_size = chosen.setting, chosen.batch_size
        self._told()

    def run(self) -> Fitted:
        """Teach the network, then calibrate and measure it."""
        network, history = self.lesson().teach(self.plan, self.course)
        self._say(
            "learned",
            f"{len(history.epochs)} epochs in {history.epochs[-1].seconds:.0f} s, ended by "
            f"{history.ended}; kept epoch {history.best.epoch}",
        )
        held = self.parts.validation
        scores = answer(network, self.examples.sequences, held)
        beside = self._baselines()
        found = self._learned(network, self.aim.calibrated(scores, self._of(held)), beside)
        test = self.examples.take(self.parts.test)
        measures = found.measured(test, self._about())
        found = replace(found, baselines=worth_keeping(beside), report=found.reported(test))
        return Fitted(found, history, measures)

    def lesson(self) -> SignalLesson:
        """What the network learns from; it is not built yet."""
        wishes = self.wishes
        learning = Learning(
            self.examples.sequences,
            self.answers,
            self.parts.training,
            self.parts.validation,
            self.aim.weights(self._of(self.parts.training), wishes.class_weights),
            wishes.augment,
        )
        return SignalLesson(
            self.setting,
            learning,
            batch_size=self.batch_size,
            seed=wishes.seed,
            loss=self.aim.loss,
            smoothing=wishes.label_smoothing,
        )

    def _baselines(self) -> tuple[Baseline, ...]:
        """What learned from the same part, and what there is to say of it."""
        parts, take = self.parts, self.examples.take
        with one_thread(), torch.random.fork_rng(devices=[]):
            found, told = baselines(
                take(parts.training),
                take(parts.validation),
                self.aim.classes,
                asked=len(parts.test),
                seed=self.wishes.seed,
            )
        for line in told:
            self._say("baseline", line)
        return tuple(found)

    def _learned(self, network: SequenceNetwork, aim: Aim, beside: tuple[Baseline, ...]) -> Learned:
        sequences = self.examples.sequences
        return Learned(
            setting=self.setting,
            network=network,
            front=self.front,
            header=Header.of(sequences),
            aim=aim,
            shown=few(sequences.take(self.parts.test[:SHOWN])),
            baselines=beside,
            report=None,
        )

    def _of(self, rows: Indices) -> NDArray[Any]:
        """The answers of some sequences, (M,)."""
        own = self.examples.sequences.places(rows) if self.examples.per_step else rows
        found: NDArray[Any] = self.answers[own]
        return found

    def _about(self) -> str:
        what = f"{len(self.parts.test):,} sequences of {self.examples.name}"
        if self.wishes.measured_on == "test":
            return f"on {what}, held out"
        return f"on {what}, which also ended the learning"

    def _told(self) -> None:
        parts = self.parts
        tested = self.wishes.measured_on == "test"
        held = f"{len(parts.validation):,} to validate"
        held += f", {len(parts.test):,} to test" if tested else " and measure"
        self._say(
            "split",
            f"{len(parts.training):,} sequences to learn from, {held}; "
            f"{self.aim.told(self._of(parts.training))}",
        )
        self._say("model", told(self.setting))

    def _say(self, what: str, fact: str) -> None:
        if not self.plan.quiet:
            print(f"{what:<9} {fact}", file=sys.stderr, flush=True)


def few(sequences: Sequences) -> Sequences:
    """As many of them as are few numbers in all; the first is cut where it alone is many."""
    F = max(1, len(sequences.channels))
    steps = np.cumsum(sequences.lengths) * F
    count = max(1, int((steps <= SHOWN_NUMBERS).sum()))
    found = sequences.take(np.arange(min(count, len(sequences))))
    most = max(1, SHOWN_NUMBERS // F)
    if len(found) > 1 or len(found.values) <= most:
        return found
    gaps = None if found.gaps is None else found.gaps[:most]
    return replace(found, values=found.values[:most], offsets=np.array([0, most]), gaps=gaps)
