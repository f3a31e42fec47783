"""An estimator that learns by gradients: what a fit leaves in it, and how that becomes a run."""

from abc import abstractmethod
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from recurra.tasks.estimator import Estimator, Measures, fields_from_json, fields_to_json
from recurra.tasks.learning import Learning
from recurra.train import Course, History, Lesson, Run, load_run

Own = TypeVar("Own", bound="Learner")
Taught = TypeVar("Taught", bound=Lesson[Any])


@dataclass
class Learner(Learning, Estimator):
    """What `fit` leaves, whatever the task; `loss` says what the validation loss is, with its unit,
    and `training_loss` what that of the training is, where it is another.

    After `fit`, `history_` holds the epochs, and `data_` where the data came from and its hash.
    """

    loss: ClassVar[str]
    training_loss: ClassVar[str] = ""
    history_: History = field(init=False, repr=False, compare=False)
    data_: dict[str, str] = field(init=False, repr=False, compare=False)
    _checkpoint: Path | None = field(init=False, repr=False, compare=False)

    def plot_history(self, path: str | Path) -> None:
        """Draw training and validation loss over the epochs.

        Args:
            path: a file that ends in .png, .svg or .pdf.
        """
        from recurra.tasks.curve import draw_history

        self._need("history_")
        draw_history(Path(path), self.history_, self.loss, self.training_loss)

    def _keep(self, history: History, measures: Measures, course: Course) -> None:
        """What a fit came to."""
        self.history_, self.measures_ = history, measures
        self.interrupted_ = history.ended == "interrupted"
        kept = course.folder if history.may_go_on else None
        self._checkpoint = None if kept is None else Path(kept)

    def _as_run(self, learned: dict[str, Any], tensors: dict[str, Tensor]) -> Run:
        """What a run folder holds: what was learned, and all that is the same for every task."""
        return Run(
            task=self.task,
            fields=fields_to_json(self),
            learned=learned,
            tensors=tensors,
            history=self.history_,
            measures=self.measures_.to_json(),
            data=self.data_,
            checkpoint=self._checkpoint,
        )

    @classmethod
    def load(cls: type[Own], folder: str | Path) -> Own:
        """Read a run folder, trusting none of it.

        Raises:
            MissingFileError, RunFolderError: no run, a damaged one, or one of another task.
        """
        folder = Path(folder)
        run = load_run(folder, cls.task)
        estimator = cls(**fields_from_json(cls, run.fields, folder))
        estimator.data_ = run.data
        measures = Measures.from_json(run.measures, folder)
        estimator._keep(run.history, measures, Course(folder=folder))
        estimator._take(run, folder)
        return estimator

    @abstractmethod
    def _take(self, run: Run, folder: Path) -> None:
        """Take up what was learned.

        Raises:
            RunFolderError: it is damaged.
        """


def ready(lesson: Taught, build: Callable[[], nn.Module], estimator: Learner) -> Taught:
    """A lesson with a copy of the network that an estimator has learned, or else with a new one.

    Args:
        build: gives the lesson a new network; draws from torch's random state, which is left as
            it was.
    """
    if hasattr(estimator, "learned_"):
        lesson.model = deepcopy(estimator.learned_.network)
    else:
        with torch.random.fork_rng(devices=[]):
            build()
    return lesson
