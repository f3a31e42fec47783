"""What a network must beat: one answer for all, the most similar sequence, one linear map."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Examples, Sequences
from recurra.tasks.classes.labels import numbers_of
from recurra.tasks.signals.linear import Linear, fit_classes, fit_values
from recurra.tasks.signals.nearest import Nearest, fit_nearest

Floats = NDArray[np.float64]
# Updates of cells that comparing all sequences may take; some ten seconds.
CELLS = 5e8


@dataclass(frozen=True)
class Majority:
    """Gives every sequence, or step, the shares of the classes in the training part.

    Args:
        shares: (K,)
        per_step: whether each step is answered.
    """

    name: ClassVar[str] = "majority"
    shares: Floats
    per_step: bool

    def answer(self, sequences: Sequences) -> Floats:
        """The shares, (B, K) or (N, K)."""
        return np.tile(self.shares, (_answers(sequences, self.per_step), 1))


@dataclass(frozen=True)
class Mean:
    """Gives every sequence, or step, the mean of the training targets."""

    name: ClassVar[str] = "mean"
    value: float
    per_step: bool

    def answer(self, sequences: Sequences) -> Floats:
        """The mean, (B,) or (N,)."""
        return np.full(_answers(sequences, self.per_step), self.value)


# Each has a `name` for the table; `answer` gives probabilities, (B, K), or values, (B,), of all N
# steps where each is answered.
Baseline = Majority | Mean | Linear | Nearest


def baselines(
    training: Examples,
    validation: Examples,
    classes: tuple[str, ...] | None,
    *,
    asked: int,
    cells: float = CELLS,
    seed: int = 0,
) -> tuple[list[Baseline], list[str]]:
    """All that fit these data, and a line about each that is left out or sees a part.

    Args:
        training: what they learn from.
        validation: chooses the strength of the linear map.
        classes: the K labels, in the order of the probabilities; None where targets are values.
        asked: sequences that will be answered.
        cells: updates that comparing sequences may take in all.
        seed: of what is drawn where that is too few.
    """
    found: list[Baseline]
    if classes is not None:
        labels = numbers_of(training.labels or (), classes, training.name)
        held = numbers_of(validation.labels or (), classes, validation.name)
        values = np.eye(len(classes))[labels]
        found = [
            Majority(values.mean(axis=0), training.per_step),
            fit_classes(training, labels, validation, held, len(classes)),
        ]
    else:
        targets, wanted = _targets(training), _targets(validation)
        values = targets[:, None]
        found = [
            Mean(float(targets.mean()), training.per_step),
            fit_values(training, targets, validation, wanted),
        ]
    if training.per_step:
        return found, []
    near, said = fit_nearest(training, values, classes is not None, asked, cells, seed)
    return found + ([near] if near is not None else []), [said] if said else []


def _targets(examples: Examples) -> Floats:
    return np.zeros(0) if examples.targets is None else examples.targets


def _answers(sequences: Sequences, per_step: bool) -> int:
    return len(sequences.values) if per_step else len(sequences)
