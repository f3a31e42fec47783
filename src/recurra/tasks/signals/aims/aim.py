"""The contract of what is to be said of sequences."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Examples
from recurra.tasks.classes.report import ClassReport
from recurra.tasks.estimator import Measures
from recurra.tasks.signals.reports import ValueReport

Floats = NDArray[np.float64]
Answers = NDArray[np.int64] | NDArray[np.float64]
Own = TypeVar("Own", bound="Aim")


class Aim(ABC):
    """Turns answers into what a network learns, and its scores into answers.

    There are M answers: one a sequence, or one a step. Values of them are probabilities (M, K), or
    numbers (M,).

    Attributes:
        kind: its name in `AIMS`.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def loss(self) -> str:
        """What a lesson minimises."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...] | None:
        """Their names, in the order of scores; None for numbers."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Scores of the network, K."""

    @classmethod
    @abstractmethod
    def learn(cls: type[Own], examples: Examples, own: Mapping[str, Any]) -> Own:
        """What is to be said of examples.

        Args:
            own: what the task says of its answers.

        Raises:
            DataError: their answers cannot be learned from.
        """

    @abstractmethod
    def answers(self, examples: Examples) -> Answers:
        """What the network should say, (M,).

        Raises:
            DataError: an answer was never learned.
        """

    @abstractmethod
    def strata(self, examples: Examples) -> NDArray[np.int64]:
        """Which sequences are alike, (B,): each part gets its share of each kind."""

    @abstractmethod
    def weights(self, answers: Answers, how: str) -> Floats | None:
        """How much an answer of each class counts; None where there are no classes."""

    @abstractmethod
    def calibrated(self: Own, scores: Floats, answers: Answers) -> Own:
        """The aim with what validated scores, (M, K), say about scores."""

    @abstractmethod
    def values(self, scores: Floats) -> Floats:
        """Of scores (M, K)."""

    @abstractmethod
    def said(self, values: Floats) -> NDArray[Any]:
        """The answers themselves, (M,): labels, or numbers."""

    @abstractmethod
    def columns(self, values: Floats) -> dict[str, Any]:
        """Columns of a table of answers."""

    @abstractmethod
    def measured(
        self, values: Floats, answers: Answers, baselines: Mapping[str, Floats], about: str
    ) -> Measures:
        """The model's figures beside those of baselines, which have values of the same answers."""

    @abstractmethod
    def report(
        self, values: Floats, answers: Answers, lengths: NDArray[np.int64] | None
    ) -> ClassReport | ValueReport:
        """What else there is to say of values beside their figures.

        Args:
            lengths: (B,) steps of each sequence, where each step is answered.
        """

    @abstractmethod
    def score(self, values: Floats, answers: Answers) -> float:
        """The one figure that scikit-learn compares models by."""

    @abstractmethod
    def check(self, training: Answers, held: Answers, name: str) -> None:
        """Refuse parts of which one cannot tell the other.

        Args:
            training: what is learned.
            held: what is asked then.
            name: where both come from.

        Raises:
            DataError: something is asked that is never learned.
        """

    @abstractmethod
    def told(self, answers: Answers) -> str:
        """Which answers are learned from, in a few words."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """As JSON values."""

    @classmethod
    @abstractmethod
    def from_json(cls: type[Own], found: Mapping[str, Any]) -> Own:
        """What `to_json` wrote.

        Raises:
            ValueError, TypeError, LookupError: it is something else.
        """
