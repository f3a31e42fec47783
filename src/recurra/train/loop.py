"""One loop for every model: steps by a plan, early stopping, the best weights kept, checkpoints."""

import math
import signal
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Generic

from recurra.errors import TerminatedError, TrainingError
from recurra.train.ahead import ahead
from recurra.train.course import Course
from recurra.train.history import Epoch, History
from recurra.train.interrupt import Asked, wish_to_stop
from recurra.train.keeping import Keeper, Standing, Tally
from recurra.train.lesson import Batch, Lesson
from recurra.train.plan import Plan
from recurra.train.progress import Report
from recurra.train.ranks import Ranks, joined
from recurra.train.schedule import factor, moves
from recurra.train.stepper import Done, Stepper

NO_COURSE = Course()


def train(lesson: Lesson[Batch], plan: Plan, course: Course | None = None) -> History:
    """Teach `lesson.model` in place; leave it with its best weights, in evaluation mode.

    Ctrl-C and the end of the time ask for a stop: the step is finished, a checkpoint written, the
    model validated, and everything returns as after the last epoch.

    Args:
        lesson: the model and what it learns from.
        plan: how long, and how.
        course: where checkpoints are kept, and who watches.

    Raises:
        TrainingError: numbers were not finite three steps in a row, or in validation.
        TakenError: the course's folder is there already, and it is not to be overwritten.
        TerminatedError: SIGTERM came; the checkpoint is written.
        StorageError: a checkpoint could not be written; the one before is whole.
        MissingFileError, RunFolderError: there is no checkpoint to go on from, or none that fits.
    """
    with joined(lesson.model) as ranks:
        return Training(lesson, plan, course or NO_COURSE, ranks).run()


class Training(Generic[Batch]):
    """A training under way, in one or more processes; the arguments are those of `train`."""

    def __init__(self, lesson: Lesson[Batch], plan: Plan, course: Course, ranks: Ranks) -> None:
        self._lesson, self._plan, self._course, self._ranks = lesson, plan, course, ranks
        self._stepper = Stepper(lesson, plan.recipe, ranks)
        self._keeper = Keeper(lesson, self._stepper, plan, course, ranks)
        self._standing = Standing()
        self._losses: list[float] = []
        self._begun = self._kept = time.monotonic()
        self._unkept = 0.0
        self._came: signal.Signals | None = None

    def run(self) -> History:
        """Go on until something ends it."""
        if self._course.resume:
            self._resume()
        else:
            self._keeper.begin(self._standing)
        plan, standing = self._plan, self._standing
        # Without a folder there is nothing to keep, and SIGTERM acts as ever.
        signals = [signal.SIGINT, *([signal.SIGTERM] if self._keeper.folder else [])]
        quiet = plan.quiet or self._ranks.part.rank > 0
        with (
            Report(plan.epochs, self._lesson.steps, plan.minutes, quiet) as report,
            wish_to_stop(*signals) as asked,
        ):
            report.begin(standing.epochs * self._lesson.steps + standing.tally.done)
            self._run(report, asked)
            if standing.history.ended in ("epochs", "patience"):
                self._keep()
                self._agree(asked)
                self._heed()
        self._lesson.model.eval()
        self._lesson.model.load_state_dict(standing.best)
        return standing.history

    def _resume(self) -> None:
        self._standing = self._keeper.resume()
        self._losses = [epoch.valid_loss for epoch in self._standing.history.epochs]
        self._begun = time.monotonic() - self._standing.seconds

    def _run(self, report: Report, asked: Asked) -> None:
        history = self._standing.history
        while not self._over():
            self._lesson.model.train()
            with self._stepper.paced(self._standing.epochs + 1):
                stopped = self._steps(report, asked)
            if stopped:
                self._keep()
            self._heed()
            epoch = self._validate()
            report.epoch(epoch, history.best)
            history.ended = stopped or history.ended
            if self._ranks.first(partial(self._watched, epoch)) and not stopped:
                history.ended = "watched"

    def _watched(self, epoch: Epoch) -> bool:
        # A callback that returns nothing asks for nothing.
        return bool(self._course.watch(epoch))

    def _heed(self) -> None:
        """SIGTERM leaves little time: what was kept is all that is saved."""
        if self._came is signal.SIGTERM:
            raise TerminatedError(
                f"training: ended by SIGTERM after {self._stepper.count.steps} steps; "
                f"go on with {self._course.command or 'resume=True'}"
            )

    def _over(self) -> bool:
        """Whether the training has ended, and by what."""
        history, epochs = self._standing.history, self._standing.epochs
        if history.ended != "epochs" or epochs >= self._plan.epochs:
            return True
        if history.epochs and epochs - history.best.epoch >= self._plan.patience:
            history.ended = "patience"
        return history.ended != "epochs"

    def _steps(self, report: Report, asked: Asked) -> str | None:
        """The rest of an epoch; what stopped it early, if something did."""
        tally = self._standing.tally
        self._stepper.average.watch(self._losses)
        batches = iter(self._lesson.batches(self._standing.epochs + 1, tally.done))
        if self._lesson.ahead:
            batches = ahead(batches, self._lesson.ahead)
        recipe, rate = self._plan.recipe, self._factor()
        moving = moves(recipe)
        for some in _several(batches, recipe.accumulate):
            rate = self._factor() if moving else rate
            done = self._stepper.step(some, rate)
            tally.done += len(some)
            if isinstance(done, Done):
                tally.add(done)
            else:
                report.say(done)
            report.step(len(some))
            self._agree(asked)
            if self._came is not None:
                return "interrupted"
            if self._plan.minutes is not None and self._standing.seconds > 60 * self._plan.minutes:
                return "minutes"
            if self._unkept > 60 * self._course.minutes:
                self._keep()
        return None

    def _agree(self, asked: Asked) -> None:
        """What time it is, and which signal came: the same in all processes."""
        now = time.monotonic()
        self._standing.seconds, self._unkept, came = self._ranks.largest(
            now - self._begun, now - self._kept, float(asked() or 0)
        )
        self._came = signal.Signals(int(came)) if came else None

    def _keep(self) -> None:
        self._keeper.keep(self._standing)
        self._kept = time.monotonic()

    def _validate(self) -> Epoch:
        """End an epoch: its measures, and the weights if they are the best so far."""
        model, standing = self._lesson.model, self._standing
        tally, number = standing.tally, standing.epochs + 1
        if not tally.weight:
            raise TrainingError(f"training: every step of epoch {number} was left out")
        model.eval()
        rate = self._plan.recipe.learning_rate * self._factor() * self._stepper.count.brake
        with self._stepper.average.in_place():
            valid = _finite(self._ranks.first(self._lesson.validate), number)
            epoch = Epoch(
                epoch=number,
                steps=self._stepper.count.steps,
                seconds=time.monotonic() - self._begun,
                train_loss=tally.loss / tally.weight,
                valid_loss=valid,
                learning_rate=rate,
                gradient_norm=tally.norm,
            )
            standing.history.epochs.append(epoch)
            if standing.history.best is epoch:
                standing.best = {name: value.clone() for name, value in model.state_dict().items()}
        standing.tally = Tally()
        self._losses.append(valid)
        return epoch

    def _factor(self) -> float:
        """What the schedule makes of the rate at this moment."""
        standing, plan = self._standing, self._plan
        done = standing.epochs + standing.tally.done / self._lesson.steps
        progress = done / plan.epochs
        if plan.minutes is not None:
            progress = max(progress, standing.seconds / (60 * plan.minutes))
        return factor(plan.recipe, min(1.0, progress), standing.epochs + 1, self._losses)


def _several(batches: Iterator[Batch], number: int) -> Iterator[list[Batch]]:
    while some := list(islice(batches, number)):
        yield some


def _finite(valid: float, epoch: int) -> float:
    if not math.isfinite(valid):
        raise TrainingError(
            f"training: the validation loss is {valid} after epoch {epoch}; "
            "a smaller --learning-rate may help"
        )
    return valid
