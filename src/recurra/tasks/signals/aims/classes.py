"""Classes of sequences, or of their steps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Examples, check_classes
from recurra.errors import DataError
from recurra.tasks.classes.labels import class_weights, in_order, numbers_of
from recurra.tasks.classes.metrics import calibration_error, metrics
from recurra.tasks.classes.report import ClassReport
from recurra.tasks.classes.temperature import (
    COLDEST,
    HOTTEST,
    log_softmax,
    softened,
    temperature,
)
from recurra.tasks.classes.verdict import MODEL, verdict
from recurra.tasks.estimator import Measures
from recurra.tasks.signals.aims.aim import Aim, Answers, Floats

# What labels were before they became texts, and what makes them that again.
TYPES = {"text": np.str_, "int": np.int64, "float": np.float64, "bool": np.bool_}


@dataclass(frozen=True)
class Classes(Aim):
    """Which of K classes.

    Args:
        names: of the classes, in the order of the network's scores.
        type: what labels are for people, a name in TYPES.
        temperature: what scores are divided by before they are probabilities.
    """

    kind: ClassVar[str] = "classes"

    names: tuple[str, ...]
    type: str = "text"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        named = isinstance(self.names, tuple) and all(isinstance(one, str) for one in self.names)
        if not named or len(set(self.names)) < max(2, len(self.names)):
            raise ValueError(f"classes: {self.names!r} are not two or more names, each once")
        if self.type not in TYPES:
            raise ValueError(f"classes: the type is {self.type!r}; what fits: {', '.join(TYPES)}")
        low, high = np.exp(COLDEST), np.exp(HOTTEST)
        fits = type(self.temperature) is float and 0.999 * low <= self.temperature <= 1.001 * high
        if not fits:
            raise ValueError(f"classes: the temperature is {self.temperature!r}")
        self.labels  # noqa: B018  # names that are none of the type are found here

    @property
    def loss(self) -> str:
        return "classes"

    @property
    def classes(self) -> tuple[str, ...]:
        return self.names

    @property
    def outputs(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> NDArray[Any]:
        """The classes as users wrote them, (K,)."""
        if self.type == "bool":
            return np.array([{"True": True, "False": False}[name] for name in self.names])
        if self.type == "text":
            return np.array(self.names)
        return np.array([float(name) for name in self.names]).astype(TYPES[self.type])

    @classmethod
    def learn(cls, examples: Examples, own: Mapping[str, Any]) -> "Classes":
        check_classes(examples)
        # Labels of an array stand in its own order, those of a file in that of people.
        key = None if own["listed"] and own["type"] == "text" else in_order
        return cls(tuple(sorted(set(examples.labels or ()), key=key)), own["type"])

    def answers(self, examples: Examples) -> NDArray[np.int64]:
        return numbers_of(examples.labels or (), self.names, examples.name)

    def strata(self, examples: Examples) -> NDArray[np.int64]:
        if examples.per_step:
            return np.zeros(len(examples), np.int64)
        return self.answers(examples)

    def weights(self, answers: Answers, how: str) -> Floats:
        counts = np.bincount(answers.astype(np.int64), minlength=len(self.names))
        return class_weights(np.maximum(1, counts), how)

    def calibrated(self, scores: Floats, answers: Answers) -> "Classes":
        targets = softened(answers.astype(np.int64), len(self.names))
        return replace(self, temperature=temperature(scores, targets))

    def values(self, scores: Floats) -> Floats:
        found: Floats = np.exp(log_softmax(scores / self.temperature))
        return found

    def said(self, values: Floats) -> NDArray[Any]:
        found: NDArray[Any] = self.labels[values.argmax(axis=1)]
        return found

    def columns(self, values: Floats) -> dict[str, Any]:
        best = values.argmax(axis=1)
        return {
            "label": [self.names[place] for place in best],
            "confidence": values[np.arange(len(best)), best],
            **{f"p_{name}": values[:, k] for k, name in enumerate(self.names)},
        }

    def measured(
        self, values: Floats, answers: Answers, baselines: Mapping[str, Floats], about: str
    ) -> Measures:
        labels = answers.astype(np.int64)
        table = {
            name: metrics(row, labels) for name, row in ({MODEL: values} | dict(baselines)).items()
        }
        said = verdict(table)
        own = table.pop(MODEL)
        # Probabilities to the power T are what they were before they were flattened, but for a sum.
        raw = log_softmax(np.log(values.clip(1e-300)) * self.temperature)
        own["ece_uncalibrated"] = calibration_error(np.exp(raw), labels)
        return Measures(own, table, about, said)

    def report(
        self, values: Floats, answers: Answers, lengths: NDArray[np.int64] | None
    ) -> ClassReport:
        del lengths
        return ClassReport.of(values, answers.astype(np.int64), self.names)

    def score(self, values: Floats, answers: Answers) -> float:
        return float((values.argmax(axis=1) == answers).mean())

    def check(self, training: Answers, held: Answers, name: str) -> None:
        if len(new := np.setdiff1d(held, training)):
            raise DataError(
                f'{name}: the label "{self.names[int(new[0])]}" is only in what is held out; it '
                "takes sequences to learn it from"
            )

    def told(self, answers: Answers) -> str:
        counts = np.bincount(answers.astype(np.int64), minlength=len(self.names))
        most, least = int(counts.argmax()), int(counts.argmin())
        return f"{counts[most]:,} {self.names[most]} … {counts[least]:,} {self.names[least]}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"names": list(self.names)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Classes":
        if not isinstance(found["names"], list):
            raise ValueError("classes: the names are no list")
        return cls(**{**found, "names": tuple(found["names"])})
