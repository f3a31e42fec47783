"""The estimator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.classify.sample import write_sample
from recurra.tasks.learning import LEARNING
from recurra.tasks.signals.aims import Classes
from recurra.tasks.signals.fields import CHANGES, DATA, FILES, FRONT, LESSON, NETWORK
from recurra.tasks.signals.given import are_arrays, type_of
from recurra.tasks.signals.manners import tags
from recurra.tasks.signals.sequence_estimator import SequenceEstimator


@dataclass
class SequenceClassifier(SequenceEstimator):
    """Tells the classes of sequences of numbers: sensors, sound, video, strokes, joints, DNA.

    Data are the path of a table, an NPZ archive, a folder `label/file` or a frame; or in the manner
    of scikit-learn X and y, and maybe groups, where X is a list of arrays (T, F) or (T,), or an
    array (B, T, F).

    After `fit`: `learned_` (network, front end, classes), `classes_`, `n_features_in_`,
    `history_`, `measures_`.
    """

    task: ClassVar[str] = "classify"
    aim: ClassVar[str] = "classes"
    loss: ClassVar[str] = "log loss, nats"
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the data": ("label", *DATA, *FILES),
        "sound, video, DNA, strokes, joints": FRONT,
        "the network": NETWORK,
        "how sequences are changed while learning": CHANGES,
        "the learning": ("class_weights", "label_smoothing", *LESSON, *LEARNING),
    }

    label: Annotated[str | None, "column of labels; found when not given"] = None
    class_weights: Annotated[
        Literal["auto", "balanced", "none"],
        "whether rare classes count more; auto where one has three times the sequences of another",
    ] = "auto"
    label_smoothing: Annotated[float, "share of a target that all classes have alike"] = 0.0

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, (K,), in the order of probabilities."""
        self._need("learned_")
        return cast(Classes, self.learned_.aim).labels

    def predict_proba(self, data: Any) -> NDArray[np.float64]:
        """The probability of each class, (M, K), of each sequence or of each step.

        Args:
            data: as in `predict`.
        """
        self._need("learned_")
        return self.learned_.values(*self._sequences(data))

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write gestures of a hand in two coordinates, with their names; their path."""
        return write_sample(Path(folder))

    def __sklearn_tags__(self) -> Any:
        return tags("classifier", missing=self.missing != "refuse")

    def _own(self, data: Any) -> Mapping[str, Any]:
        return {"type": type_of(data), "listed": are_arrays(data)}

    def _answer(self) -> str | None:
        return self.label

    def _weighed(self) -> dict[str, Any]:
        return {"class_weights": self.class_weights, "label_smoothing": self.label_smoothing}
