"""An estimator that learns by gradients: what a fit leaves in it, and how that becomes a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from recurra.tasks.estimator import Estimator, Measures, fields_to_json
from recurra.tasks.learning import Learning
from recurra.train import Course, History, Run


@dataclass
class Learner(Learning, Estimator):
    """What `fit` leaves, whatever the task; `loss` says what the validation loss is, with its unit.

    After `fit`, `history_` holds the epochs, and `data_` where the data came from and its hash.
    """

    loss: ClassVar[str]
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
        draw_history(Path(path), self.history_, self.loss)

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

    def _take(self, run: Run, folder: Path) -> None:
        """What `_as_run` gave, but for what was learned.

        Raises:
            RunFolderError: the measures are damaged.
        """
        self.data_ = run.data
        self._keep(run.history, Measures.from_json(run.measures, folder), Course(folder=folder))
