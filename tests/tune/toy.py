"""An estimator whose trials take milliseconds: one number that learns to be a target."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from recurra.errors import DataError
from recurra.tasks.estimator import Estimator, Measures
from recurra.tasks.learning import Learning
from recurra.tasks.search import Choices, Multiples, Range
from recurra.train import Course, Lesson, Plan, train


class Number(Lesson[None]):
    """Learns `target`; what it cannot reach is `height` away, in validation too."""

    steps = 3

    def __init__(self, target: float, height: float) -> None:
        self.model, self._target, self._height = nn.Linear(1, 1), target, height
        nn.init.zeros_(self.model.weight)
        nn.init.zeros_(self.model.bias)

    def batches(self, epoch: int, begin: int) -> Iterator[None]:
        yield from [None] * (self.steps - begin)

    def loss(self, batch: None) -> Tensor:
        return (self.model(torch.ones(1, 1)) - self._target).square().mean() + self._height

    def validate(self) -> float:
        return self.loss(None).item()


class Silent(Estimator):
    """What no trial asks for."""

    def lesson(self, data: Any, valid: Any = None) -> Any: ...
    def predict(self, data: Any = None) -> Any: ...
    def plot(self, answer: Any, path: str | Path, data: Any = None) -> None: ...
    def measure(self, data: Any) -> Measures: ...
    def to_text(self, answer: Any) -> str: ...
    def next_command(self, run: str | Path, data: list[str]) -> str: ...
    def save(self, folder: str | Path) -> None: ...
    @classmethod
    def load(cls, folder: str | Path) -> "Silent": ...
    @staticmethod
    def sample(folder: str | Path) -> Path: ...


@dataclass
class Counter(Silent):
    """Learns at once, and not in epochs."""

    task: ClassVar[str] = "counter"
    groups: ClassVar[dict[str, tuple[str, ...]]] = {}

    def fit(self, data: Any, valid: Any = None, course: Course | None = None) -> "Counter":
        return self

    def plan(self) -> Plan: ...


@dataclass
class Toy(Learning, Silent):
    """Its data's first number is the target. The lowest loss is at far = 2 and kind "b"."""

    task: ClassVar[str] = "toy"
    groups: ClassVar[dict[str, tuple[str, ...]]] = {}

    far: Annotated[float, "from the best", Range(0.5, 4.0)] = 3.0
    size: Annotated[int, "of nothing", Range(1, 64, log=True)] = 8
    kind: Annotated[Literal["a", "b", "c"], "c fails", Choices(("a", "b"))] = "a"
    back: Annotated[int | None, "found", Multiples((0.5, 1.0, 2.0), unless="loose")] = None
    loose: Annotated[bool, "sets what is validated on free"] = False
    name: Annotated[str, "not searched"] = "x"

    def settle(self, data: Any, valid: Any = None) -> dict[str, Any]:
        back = self.back or 10 * len(data)
        if back > 15:
            raise DataError(f"--back is {back}; the data leave room for 15")
        return {"back": back}

    def fit(self, data: Any, valid: Any = None, course: Course | None = None) -> "Toy":
        if self.kind == "c":
            raise DataError("kind c fails\nalways")
        height = (self.far - 2) ** 2 + (self.kind == "a")
        self.history_ = train(Number(float(np.ravel(data)[0]), height), self.plan(), course)
        self.interrupted_ = self.history_.ended == "interrupted"
        return self
