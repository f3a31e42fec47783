"""The contract of an estimator.

A dataclass whose fields are at once the constructor, scikit-learn's parameters and the command
line's flags. Attributes that end in an underscore are what `fit` learned.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from recurra.errors import NotFittedError, OptionError, RunFolderError
from recurra.tasks.parameters import parameters
from recurra.train import Course, Lesson, Plan


@dataclass(frozen=True)
class Measures:
    """What was measured on data that nothing was learned from.

    Args:
        metrics: of the model, per metric.
        baselines: of each baseline, per metric.
        about: which data, in a few words.
        verdict: one sentence that says who wins.
    """

    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    about: str
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; a figure that is not finite becomes null."""
        return {
            "metrics": _finite(self.metrics),
            "baselines": {name: _finite(row) for name, row in self.baselines.items()},
            "about": self.about,
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, found: dict[str, Any], folder: Path) -> "Measures":
        """What `to_json` wrote.

        Raises:
            RunFolderError: it is something else.
        """
        try:
            return cls(
                metrics=_figures(found["metrics"]),
                baselines={name: _figures(row) for name, row in found["baselines"].items()},
                about=str(found["about"]),
                verdict=str(found["verdict"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RunFolderError(f"{folder}: damaged measures: {error!r}") from error


def _finite(row: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in row.items()}


def _figures(row: dict[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in row.items()}


def fields_to_json(estimator: "Estimator") -> dict[str, Any]:
    """An estimator's fields as a run folder holds them."""
    known = parameters(type(estimator))
    return {name: known[name].to_json(value) for name, value in estimator.get_params().items()}


def fields_from_json(
    estimator: "type[Estimator]", found: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """An estimator's fields from a run folder.

    Raises:
        RunFolderError: a field is unknown, or its value does not fit.
    """
    known = parameters(estimator)
    if unknown := sorted(set(found) - set(known)):
        raise RunFolderError(f"{folder}: {estimator.__name__} has no field {unknown[0]!r}")
    try:
        return {name: known[name].from_json(value) for name, value in found.items()}
    except TypeError as error:
        raise RunFolderError(f"{folder}: the field {error}") from error


@dataclass
class Estimator(ABC):
    """Learns from data, answers, measures itself, and is kept in a run folder.

    `groups` says under which heading each field stands in a help text; `several`, whether `fit` and
    `measure` take a list of files; `lines`, whether `predict` takes a list of texts, so that a
    command without a file reads them from standard input; `flowing`, whether each line's answer
    is its own, so that it may be written before the next line is there.

    After `fit`, `measures_` holds what was measured on the part held out, and `interrupted_`
    whether Ctrl-C ended the learning early.
    """

    task: ClassVar[str]
    groups: ClassVar[dict[str, tuple[str, ...]]]
    several: ClassVar[bool] = False
    lines: ClassVar[bool] = False
    flowing: ClassVar[bool] = False
    measures_: Measures = field(init=False, repr=False, compare=False)
    interrupted_: bool = field(init=False, repr=False, compare=False)

    @abstractmethod
    def fit(self, data: Any, *, valid: Any = None, course: Course | None = None) -> "Estimator":
        """Learn from `data`.

        Args:
            valid: a later or another part to validate and test on.
            course: where checkpoints are kept, and who watches.
        """

    @abstractmethod
    def lesson(self, data: Any, valid: Any = None) -> Lesson[Any]:
        """What `fit` teaches from `data`: with the model that it learned, or a new one."""

    @abstractmethod
    def plan(self) -> Plan:
        """How long to learn, and how; `Learning` brings it."""

    @abstractmethod
    def predict(self, data: Any = None) -> Any:
        """Answer."""

    @abstractmethod
    def to_text(self, answer: Any) -> str:
        """An answer as a file of it reads."""

    @abstractmethod
    def next_command(self, run: Path, data: str) -> str:
        """What may be typed once a run folder is there, after `recurra`.

        Args:
            run: the folder.
            data: the file that was learned from, ready for a shell.
        """

    @abstractmethod
    def plot(self, answer: Any, path: str | Path, data: Any = None) -> None:
        """Draw an answer."""

    @abstractmethod
    def measure(self, data: Any) -> Measures:
        """Measure the model and its baselines on data that `fit` did not learn from."""

    def evaluate(self, data: Any) -> dict[str, float]:
        """Measure on data that `fit` did not learn from: the model's metrics alone."""
        return self.measure(data).metrics

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write a run folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: str | Path) -> "Estimator":
        """Read a run folder."""

    @staticmethod
    @abstractmethod
    def sample(folder: str | Path) -> Path:
        """Write a few KB of data that the estimator learns in seconds; its path."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The fields, as scikit-learn asks for them."""
        del deep
        return {name: getattr(self, name) for name in parameters(type(self))}

    def set_params(self, **params: Any) -> "Estimator":
        """Change fields, as scikit-learn does.

        Raises:
            OptionError: no such field.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise OptionError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def _need(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            raise NotFittedError(f"{type(self).__name__}: nothing learned yet; call fit first")
