"""The estimator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from recurra.tasks.learning import LEARNING
from recurra.tasks.regress.sample import write_sample
from recurra.tasks.signals.fields import CHANGES, DATA, FILES, FRONT, LESSON, NETWORK
from recurra.tasks.signals.manners import tags
from recurra.tasks.signals.sequence_estimator import SequenceEstimator

LOSSES = {"squares": "numbers", "huber": "huber"}


@dataclass
class SequenceRegressor(SequenceEstimator):
    """Predicts a number from sequences of numbers, or one at each step of them.

    Data are the path of a table, an NPZ archive, a folder with a table of values or a frame; or in
    the manner of scikit-learn X and y, and maybe groups, where X is a list of arrays (T, F) or
    (T,), or an array (B, T, F).

    After `fit`: `learned_` (network, front end), `n_features_in_`, `history_`, `measures_`.
    """

    task: ClassVar[str] = "regress"
    aim: ClassVar[str] = "numbers"
    loss: ClassVar[str] = "RMSE"
    training_loss: ClassVar[str] = "loss, in deviations"
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the data": ("target", "cap", *DATA, *FILES),
        "sound, video, DNA, strokes, joints": FRONT,
        "the network": NETWORK,
        "how sequences are changed while learning": CHANGES,
        "the learning": ("minimise", *LESSON, *LEARNING),
    }

    target: Annotated[str | None, "column of values; found when not given"] = None
    cap: Annotated[float | None, "values above it count as it, such as remaining life"] = None
    minimise: Annotated[
        Literal["squares", "huber"], "what is made small; huber counts far-off values less"
    ] = "squares"

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write the voltage of batteries in use, and how many hours each has left; their path."""
        return write_sample(Path(folder))

    def __sklearn_tags__(self) -> Any:
        return tags("regressor", missing=self.missing != "refuse")

    def _own(self, data: Any) -> Mapping[str, Any]:
        del data
        cap = None if self.cap is None else float(self.cap)
        return {"loss": LOSSES[self.minimise], "cap": cap}

    def _answer(self) -> str | None:
        return self.target

    def _weighed(self) -> dict[str, Any]:
        return {}
