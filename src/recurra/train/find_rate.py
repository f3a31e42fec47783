"""The learning-rate range test: the loss while the rate grows, from much too small on.

The rate that is suggested is where the smoothed loss falls fastest over the logarithm of the rate,
once a tenth of its whole fall is behind it: before that, what falls is noise.

Source: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.errors import TrainingError
from recurra.train.lesson import Batch, Lesson
from recurra.train.picture import save_picture
from recurra.train.plan import Recipe
from recurra.train.progress import Report
from recurra.train.stepper import Done, Stepper
from recurra.train.untouched import untouched

Floats = NDArray[np.float64]
INK, SUGGESTED = "#30343b", "#c2410c"

LOW, HIGH, STEPS = 1e-6, 10.0, 120
# Steps over which losses are smoothed; by how much the last of them may exceed the best before the
# test ends; the share of steps that tells where the loss begins.
SMOOTH, DIVERGED, FIRST = 5, 3.0, 0.2
FALLEN = 0.1


@dataclass(frozen=True)
class Rates:
    """What the test saw.

    Args:
        rates: step sizes, rising.
        losses: the smoothed loss at each.
        suggested: where the loss fell fastest.
    """

    rates: list[float]
    losses: list[float]
    suggested: float

    def plot(self, path: str | Path) -> None:
        """Draw the loss over the rate, and the suggestion.

        Args:
            path: its ending says the format: .png, .svg or .pdf.

        Raises:
            OptionError: it has another ending.
            StorageError: the picture could not be written.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes: Any = figure.subplots()
        axes.plot(self.rates, self.losses, color=INK)
        axes.axvline(self.suggested, color=SUGGESTED, linestyle="--")
        axes.annotate(f" {self.suggested:.1e}", (self.suggested, max(self.losses)), color=SUGGESTED)
        axes.set(xscale="log", xlabel="learning rate, per step", ylabel="smoothed training loss")
        axes.set_title("Learning-rate range test")
        axes.spines[["top", "right"]].set_visible(False)
        save_picture(figure, Path(path))


def find_rate(lesson: Lesson[Batch], recipe: Recipe, *, quiet: bool = False) -> Rates:
    """Try rates on the lesson's batches, each larger than the last, until the loss diverges.

    The lesson and its model are left as they were, and so are the random states.

    Args:
        lesson: its batches are taken from the first epoch on, at the pace of the first.
        recipe: the optimizer and all else; its rate and schedule are not used.
        quiet: show no progress.

    Raises:
        TrainingError: the loss was not finite from the start.
    """
    trial = replace(recipe, learning_rate=1.0, schedule="constant", warmup=0.0, average=None)
    with untouched(lesson), Report(1, STEPS, None, quiet) as report:
        lesson.model.train()
        stepper = Stepper(lesson, trial)
        with stepper.paced(1):
            seen = list(_seen(lesson, stepper, report))
    if len(seen) < 2:
        raise TrainingError("training: the loss is not finite even at the smallest rate")
    rates, losses = [rate for rate, _ in seen], _smoothed([loss for _, loss in seen])
    return Rates(rates, losses.tolist(), _steepest(rates, losses))


def _smoothed(losses: list[float]) -> Floats:
    """A mean around each step, weighted by a bell."""
    place = np.arange(len(losses))
    bell = np.exp(-(((place[:, None] - place) / SMOOTH) ** 2) / 2)
    mean: Floats = bell @ np.array(losses) / bell.sum(axis=1)
    return mean


def _steepest(rates: list[float], losses: Floats) -> float:
    """Where the loss falls fastest, before its least and after the first tenth of the fall."""
    lowest = int(losses.argmin())
    begin = losses[: max(1, int(FIRST * len(losses)))].mean()
    fallen = losses < begin - FALLEN * (begin - losses[lowest])
    slope = np.gradient(losses, np.log(rates))
    slope[~fallen] = np.inf
    return rates[int(slope[: lowest + 1].argmin())]


def _seen(
    lesson: Lesson[Batch], stepper: Stepper[Batch], report: Report
) -> Iterator[tuple[float, float]]:
    """Rates and losses, until these rise."""
    last: deque[float] = deque(maxlen=SMOOTH)
    best = math.inf
    for number, batch in zip(range(STEPS), _endless(lesson), strict=False):
        rate = LOW * (HIGH / LOW) ** (number / (STEPS - 1))
        done = stepper.step([batch], rate)
        report.step()
        if not isinstance(done, Done):
            return
        last.append(done.loss)
        if min(last) > DIVERGED * best and best > 0:
            return
        best = min(best, sum(last) / len(last))
        yield rate, done.loss


def _endless(lesson: Lesson[Batch]) -> Iterator[Batch]:
    epoch = 1
    while True:
        yield from lesson.batches(epoch, 0)
        epoch += 1
