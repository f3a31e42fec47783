"""Where a training stands, kept in its run folder and taken up again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic

from torch import Tensor

from recurra.errors import OptionError, RunFolderError, TakenError
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
from recurra.train.lesson import Batch, Lesson
from recurra.train.plan import Plan
from recurra.train.random_state import random_facts, random_tensors, restore_random
from recurra.train.ranks import Ranks
from recurra.train.stepper import Done, Stepper


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


@dataclass
class Standing:
    """How far a training is.

    Args:
        history: the epochs that have ended.
        tally: the one that runs.
        best: the weights after the best epoch; none before the first.
        seconds: it took so far.
    """

    history: History = field(default_factory=History)
    tally: Tally = field(default_factory=Tally)
    best: Mapping[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """That have ended."""
        return len(self.history.epochs)


class Keeper(Generic[Batch]):
    """Writes checkpoints of a training, and goes on from one.

    Args:
        lesson: what is carried from batch to batch.
        stepper: the optimizer, and what it has seen.
        plan: its recipe must be the same to go on.
        course: where, and what else must be the same.
        ranks: all of them must call; the first writes.
    """

    def __init__(
        self,
        lesson: Lesson[Batch],
        stepper: Stepper[Batch],
        plan: Plan,
        course: Course,
        ranks: Ranks,
    ) -> None:
        self._lesson, self._stepper, self._ranks = lesson, stepper, ranks
        self._recipe, self._course = asdict(plan.recipe), course
        self.folder = None if course.folder is None else Path(course.folder)

    def begin(self, standing: Standing) -> None:
        """Claim the folder by a first checkpoint.

        Raises:
            TakenError: it is there already, and is not to be overwritten.
        """
        folder = self.folder
        taken = folder is not None and folder.exists() and not self._course.overwrite
        if taken and self._ranks.part.rank == 0:
            raise TakenError(f"{folder}: is there already; choose another place, or overwrite it")
        self.keep(standing)

    def keep(self, standing: Standing) -> None:
        """Write a checkpoint, where there is a folder for it."""
        if self.folder is None:
            return
        own = under({"lesson": self._lesson.state(), "random": random_tensors()})
        carried = self._ranks.gather(own)
        if self._ranks.part.rank == 0:
            write_checkpoint(self._checkpoint(standing, carried), self.folder)
        self._course.kept()

    def resume(self) -> Standing:
        """Take up what was kept.

        Raises:
            OptionError: there is no folder to go on from.
            MissingFileError, RunFolderError: it has no checkpoint, or none that fits.
        """
        folder = self.folder
        if folder is None:
            raise OptionError("training: resume needs a folder to go on from")
        if self._ranks.part.rank == 0:
            sweep(folder)
        checkpoint = read_checkpoint(folder)
        self._check(checkpoint, folder)
        try:
            return self._restore(checkpoint)
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise RunFolderError(f"{folder}: its checkpoint does not fit: {error}") from error

    def _checkpoint(self, standing: Standing, carried: list[Mapping[str, Tensor]]) -> Checkpoint:
        """The training as it stands, with what each process carries from step to step."""
        tensors, count = self._stepper.state()
        tensors |= under({"model": self._lesson.model.state_dict(), "best": standing.best})
        for rank, own in enumerate(carried):
            tensors |= {of_rank(rank) + name: value for name, value in own.items()}
        facts = {
            "ranks": self._ranks.part.of,
            "about": dict(self._course.about),
            "same": dict(self._course.same),
            "recipe": self._recipe,
            "history": [asdict(epoch) for epoch in standing.history.epochs],
            "tally": asdict(standing.tally),
            "count": count,
            "seconds": standing.seconds,
            "random": random_facts(),
        }
        # Tied weights share their memory, which the format does not know.
        whole = {name: value.detach().clone() for name, value in tensors.items()}
        return Checkpoint(whole, facts)

    def _check(self, checkpoint: Checkpoint, folder: Path) -> None:
        """What a training goes on with must be what it began with."""
        found = checkpoint.facts
        now: dict[str, Any] = {"recipe": self._recipe}
        if checkpoint.part("lesson"):
            # What was carried from batch to batch belongs to so many parts.
            found, now = {"ranks": 1, **found}, {**now, "ranks": self._ranks.part.of}
        same = found.get("same")
        found = {**found, **(same if isinstance(same, Mapping) else {})}
        for key, value in {**now, **self._course.same}.items():
            if found.get(key) != value:
                raise RunFolderError(
                    f"{folder}: began with another {key} ({found.get(key)!r}, now {value!r}); go "
                    "on with the same one, or begin anew"
                )

    def _restore(self, checkpoint: Checkpoint) -> Standing:
        facts, own = checkpoint.facts, of_rank(self._ranks.part.rank)
        best = checkpoint.part("best")
        # The best weights fit where the last ones do: they are tried on, and then put aside.
        for weights in (*([best] if best else []), checkpoint.part("model")):
            self._lesson.model.load_state_dict(weights)
        optimizer, average = checkpoint.part("optimizer"), checkpoint.part("average")
        self._stepper.restore(optimizer, average, facts["count"])
        self._lesson.restore(checkpoint.part(f"{own}lesson"))
        # A process that was not there before begins with noise of its own.
        random = checkpoint.part(f"{own}random") or random_tensors()
        restore_random(random, facts["random"])
        return Standing(
            history=History([Epoch(**epoch) for epoch in facts["history"]]),
            tally=Tally(**facts["tally"]),
            best=best,
            seconds=facts["seconds"],
        )
