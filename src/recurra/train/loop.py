"""One loop for every model: steps by a plan, early stopping, the best weights kept, checkpoints."""

import math
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic

from torch import Tensor

from recurra.errors import OptionError, RunFolderError, TakenError, TerminatedError, TrainingError
from recurra.train.ahead import ahead
from recurra.train.checkpoint import (
    Checkpoint,
    of_rank,
    read_checkpoint,
    sweep,
    under,
    write_checkpoint,
)
from recurra.train.course import Course
from recurra.train.history import Epoch, History
from recurra.train.interrupt import Asked, wish_to_stop
from recurra.train.lesson import Batch, Lesson
from recurra.train.plan import Plan
from recurra.train.progress import Report
from recurra.train.random_state import random_facts, random_tensors, restore_random
from recurra.train.ranks import Ranks, joined
from recurra.train.schedule import factor
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


@dataclass
class Tally:
    """The running epoch: batches done, losses and targets summed, the largest norm."""

    done: int = 0
    loss: float = 0.0
    weight: float = 0.0
    norm: float = 0.0

    def add(self, step: Done) -> None:
        """A step was taken."""
        self.loss += step.loss * step.weight
        self.weight += step.weight
        self.norm = max(self.norm, step.norm)


class Training(Generic[Batch]):
    """A training under way, in one or more processes; the arguments are those of `train`."""

    def __init__(self, lesson: Lesson[Batch], plan: Plan, course: Course, ranks: Ranks) -> None:
        self._lesson, self._plan, self._course, self._ranks = lesson, plan, course, ranks
        self._folder = None if course.folder is None else Path(course.folder)
        self._stepper = Stepper(lesson, plan.recipe, ranks)
        self._history = History()
        self._tally = Tally()
        self._best: dict[str, Tensor] = {}
        self._begun = self._kept = self._now = time.monotonic()
        self._unkept = 0.0
        self._came: signal.Signals | None = None

    def run(self) -> History:
        """Go on until something ends it."""
        if self._course.resume:
            self._resume()
        elif self._folder is not None:
            if self._ranks.part.rank == 0:
                _free(self._folder, self._course.overwrite)
            self._keep()
        plan = self._plan
        # Without a folder there is nothing to keep, and SIGTERM acts as ever.
        signals = [signal.SIGINT, *([signal.SIGTERM] if self._folder else [])]
        quiet = plan.quiet or self._ranks.part.rank > 0
        with (
            Report(plan.epochs, self._lesson.steps, plan.minutes, quiet) as report,
            wish_to_stop(*signals) as asked,
        ):
            report.begin(self._epochs_done * self._lesson.steps + self._tally.done)
            self._run(report, asked)
            if self._history.ended in ("epochs", "patience"):
                self._keep()
                self._agree(asked)
                self._heed()
        self._lesson.model.eval()
        self._lesson.model.load_state_dict(self._best)
        return self._history

    def _run(self, report: Report, asked: Asked) -> None:
        while not self._over():
            self._lesson.model.train()
            stopped = self._steps(report, asked)
            if stopped:
                self._keep()
            self._heed()
            epoch = self._validate()
            report.epoch(epoch, self._history.best)
            self._history.ended = stopped or self._history.ended
            if self._ranks.first(partial(self._course.watch, epoch)) and not stopped:
                self._history.ended = "watched"

    def _heed(self) -> None:
        """SIGTERM leaves little time: what was kept is all that is saved."""
        if self._came is signal.SIGTERM:
            raise TerminatedError(
                f"training: ended by SIGTERM after {self._stepper.count.steps} steps; "
                f"go on with {self._course.command or 'resume=True'}"
            )

    def _over(self) -> bool:
        """Whether the training has ended, and by what."""
        history = self._history
        if history.ended != "epochs" or self._epochs_done >= self._plan.epochs:
            return True
        if history.epochs and self._epochs_done - history.best.epoch >= self._plan.patience:
            history.ended = "patience"
        return history.ended != "epochs"

    def _steps(self, report: Report, asked: Asked) -> str | None:
        """The rest of an epoch; what stopped it early, if something did."""
        self._stepper.average.watch([epoch.valid_loss for epoch in self._history.epochs])
        batches = iter(self._lesson.batches(self._epochs_done + 1, self._tally.done))
        if self._lesson.ahead:
            batches = ahead(batches, self._lesson.ahead)
        for some in _several(batches, self._plan.recipe.accumulate):
            done = self._stepper.step(some, self._factor())
            self._tally.done += len(some)
            if isinstance(done, Done):
                self._tally.add(done)
            else:
                report.say(done)
            report.step(len(some))
            self._agree(asked)
            if self._came is not None:
                return "interrupted"
            if self._plan.minutes is not None and self._spent > 60 * self._plan.minutes:
                return "minutes"
            if self._unkept > 60 * self._course.minutes:
                self._keep()
        return None

    def _agree(self, asked: Asked) -> None:
        """What time it is, and which signal came: the same in all processes."""
        now = time.monotonic()
        spent, self._unkept, came = self._ranks.largest(
            now - self._begun, now - self._kept, float(asked() or 0)
        )
        self._now = self._begun + spent
        self._came = signal.Signals(int(came)) if came else None

    def _validate(self) -> Epoch:
        """End an epoch: its measures, and the weights if they are the best so far."""
        model, tally, number = self._lesson.model, self._tally, self._epochs_done + 1
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
            self._history.epochs.append(epoch)
            if self._history.best is epoch:
                self._best = {name: value.clone() for name, value in model.state_dict().items()}
        self._tally = Tally()
        return epoch

    @property
    def _epochs_done(self) -> int:
        return len(self._history.epochs)

    @property
    def _spent(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return self._now - self._begun

    def _factor(self) -> float:
        """What the schedule makes of the rate at this moment."""
        losses = [epoch.valid_loss for epoch in self._history.epochs]
        done = self._epochs_done + self._tally.done / self._lesson.steps
        progress = done / self._plan.epochs
        if self._plan.minutes is not None:
            progress = max(progress, self._spent / (60 * self._plan.minutes))
        return factor(self._plan.recipe, min(1.0, progress), self._epochs_done + 1, losses)

    def _keep(self) -> None:
        """Have the first process write a checkpoint, where there is a folder for it."""
        if self._folder is None:
            return
        own = under({"lesson": self._lesson.state(), "random": random_tensors()})
        carried = self._ranks.gather(own)
        if self._ranks.part.rank == 0:
            write_checkpoint(self._checkpoint(carried), self._folder)
        self._course.kept()
        self._kept = time.monotonic()

    def _checkpoint(self, carried: list[Mapping[str, Tensor]]) -> Checkpoint:
        """The training as it stands, with what each process carries from step to step."""
        tensors, count = self._stepper.state()
        tensors |= under({"model": self._lesson.model.state_dict(), "best": self._best})
        for rank, own in enumerate(carried):
            tensors |= {of_rank(rank) + name: value for name, value in own.items()}
        facts = {
            "ranks": self._ranks.part.of,
            "about": dict(self._course.about),
            "same": dict(self._course.same),
            "recipe": asdict(self._plan.recipe),
            "history": [asdict(epoch) for epoch in self._history.epochs],
            "tally": asdict(self._tally),
            "count": count,
            "seconds": time.monotonic() - self._begun,
            "random": random_facts(),
        }
        # Tied weights share their memory, which the format does not know.
        whole = {name: value.detach().clone() for name, value in tensors.items()}
        return Checkpoint(whole, facts)

    def _resume(self) -> None:
        """Stand where the checkpoint's training stood."""
        folder = self._folder
        if folder is None:
            raise OptionError("training: resume needs a folder to go on from")
        if self._ranks.part.rank == 0:
            sweep(folder)
        checkpoint = read_checkpoint(folder)
        _same(checkpoint.facts, {"recipe": asdict(self._plan.recipe)}, folder)
        _same(checkpoint.facts["same"], self._course.same, folder)
        if checkpoint.part("lesson"):
            # What was carried from batch to batch belongs to so many parts.
            _same({"ranks": 1, **checkpoint.facts}, {"ranks": self._ranks.part.of}, folder)
        try:
            self._restore(checkpoint)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise RunFolderError(f"{folder}: its checkpoint does not fit: {error}") from error

    def _restore(self, checkpoint: Checkpoint) -> None:
        facts = checkpoint.facts
        self._lesson.model.load_state_dict(checkpoint.part("model"))
        self._best = checkpoint.part("best")
        count = facts["count"]
        self._stepper.restore(checkpoint.part("optimizer"), checkpoint.part("average"), count)
        own = of_rank(self._ranks.part.rank)
        self._lesson.restore(checkpoint.part(f"{own}lesson"))
        self._history = History([Epoch(**epoch) for epoch in facts["history"]])
        self._tally = Tally(**facts["tally"])
        self._now = time.monotonic()
        self._begun = self._now - facts["seconds"]
        # A process that was not there before begins with noise of its own.
        random = checkpoint.part(f"{own}random") or random_tensors()
        restore_random(random, facts["random"])


def _free(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not overwrite:
        raise TakenError(f"{folder}: is there already; choose another place, or overwrite it")


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


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    """What a training goes on with must be what it began with."""
    for key, value in wanted.items():
        if found.get(key) != value:
            raise RunFolderError(
                f"{folder}: began with another {key} ({found.get(key)!r}, now {value!r}); go on "
                "with the same one, or begin anew"
            )
