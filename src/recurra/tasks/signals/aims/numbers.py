"""Numbers that belong to sequences, or to their steps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Examples
from recurra.errors import DataError, OptionError
from recurra.tasks.classes.verdict import MODEL, verdict
from recurra.tasks.estimator import Measures
from recurra.tasks.signals.accuracy import errors
from recurra.tasks.signals.aims.aim import Aim, Answers, Floats
from recurra.tasks.signals.reports import ValueReport

LOSSES = ("numbers", "huber")
# Fifths of the values: each part has its share of the small, the large and those between.
STRATA, FEWEST = 5, 50


@dataclass(frozen=True)
class Numbers(Aim):
    """A number.

    Args:
        loss: "numbers" for the mean square, "huber" where values that are far off count less.
        cap: values above it count as it, and no answer is above it; None for none.
    """

    kind: ClassVar[str] = "numbers"

    loss: str = "numbers"
    cap: float | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"numbers: the loss is {self.loss!r}; what fits: {', '.join(LOSSES)}")
        capped = self.cap is None or (type(self.cap) is float and np.isfinite(self.cap))
        if not capped:
            raise OptionError(f"--cap is {self.cap!r}; it is a finite number")

    @property
    def classes(self) -> None:
        return None

    @property
    def outputs(self) -> int:
        return 1

    @classmethod
    def learn(cls, examples: Examples, own: Mapping[str, Any]) -> "Numbers":
        found = cls(own["loss"], own["cap"])
        values = found.answers(examples)
        if not len(values) or values.min() == values.max():
            what = f"one value alone, {values[0]:g}" if len(values) else "no value at all"
            what = f"1 sample alone, {values[0]:g}" if len(values) == 1 else what
            capped = "" if found.cap is None else f" under --cap {found.cap:g}"
            raise DataError(f"{examples.name}: {what}{capped}; it takes values that differ")
        return found

    def answers(self, examples: Examples) -> Floats:
        values = np.asarray(() if examples.targets is None else examples.targets, np.float64)
        return values if self.cap is None else np.minimum(values, self.cap)

    def strata(self, examples: Examples) -> NDArray[np.int64]:
        if examples.per_step or len(examples) < FEWEST:
            return np.zeros(len(examples), np.int64)
        values = self.answers(examples)
        edges = np.quantile(values, np.arange(1, STRATA) / STRATA)
        return np.digitize(values, edges).astype(np.int64)

    def weights(self, answers: Answers, how: str) -> None:
        del answers, how

    def calibrated(self, scores: Floats, answers: Answers) -> "Numbers":
        del scores, answers
        return self

    def values(self, scores: Floats) -> Floats:
        values: Floats = scores[:, 0].astype(np.float64)
        return values if self.cap is None else np.minimum(values, self.cap)

    def said(self, values: Floats) -> NDArray[Any]:
        return values

    def columns(self, values: Floats) -> dict[str, Any]:
        return {"prediction": values}

    def measured(
        self, values: Floats, answers: Answers, baselines: Mapping[str, Floats], about: str
    ) -> Measures:
        rows, true = {MODEL: values} | dict(baselines), answers.astype(np.float64)
        table = {name: errors(row, true) for name, row in rows.items()}
        said = verdict(table, by="rmse")
        return Measures(table.pop(MODEL), table, about, said)

    def report(
        self, values: Floats, answers: Answers, lengths: NDArray[np.int64] | None
    ) -> ValueReport:
        return ValueReport.of(values, answers.astype(np.float64), lengths)

    def score(self, values: Floats, answers: Answers) -> float:
        return errors(values, answers.astype(np.float64))["r2"]

    def check(self, training: Answers, held: Answers, name: str) -> None:
        del training, held, name

    def told(self, answers: Answers) -> str:
        return f"values of {answers.min():.4g} … {answers.max():.4g}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Numbers":
        return cls(**found)
