"""Joints of a body."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals.joints import as_joints, body_channels, body_features
from recurra.data.signals.number_file import as_numbers, read_number_file, stem_of
from recurra.errors import DataError, OptionError
from recurra.tasks.signals.fronts.front import Front


@dataclass(frozen=True)
class Joints(Front):
    """Places of joints, from the body's centre and in its size, and their motion.

    Args:
        dimensions: numbers of a place, 2 or 3.
        centre: the joint at the centre, counted from 0; -1 the mean of all.
        deltas: over how many steps at most motion is looked at; 0 for none.
        distances: whether the distances of all pairs of joints are features too.
    """

    kind: ClassVar[str] = "joints"
    endings: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".npy")

    dimensions: int = 2
    centre: int = -1
    deltas: int = 2
    distances: bool = False

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise OptionError(f"joints: dimensions is {self.dimensions}; what fits is 2 or 3")
        if not 0 <= self.deltas <= 8:
            raise OptionError(f"joints: deltas is {self.deltas}; what fits is 0 to 8")
        if self.centre < -1:
            raise OptionError(f"joints: centre is {self.centre}; what fits is -1, or a joint")

    def read(self, path: Path) -> list[tuple[str, Any]]:
        return [(stem_of(path), read_number_file(path))]

    def turn(self, raw: Any, name: str) -> NDArray[np.float32]:
        joints = as_joints(as_numbers(raw), self.dimensions, name)
        if self.centre >= joints.shape[1]:
            raise DataError(f"{name}: {joints.shape[1]} joints; --centre names joint {self.centre}")
        return body_features(joints, self.centre, self.deltas, self.distances)

    def channels(self, width: int) -> tuple[str, ...]:
        return body_channels(self._count(width), self.dimensions, self.deltas, self.distances)

    def _count(self, width: int) -> int:
        """The joints that make so many features."""
        own = self.dimensions * (1 + self.deltas)
        pairs = range(1, width + 1) if self.distances else (width // own,)
        return next(n for n in pairs if n * own + self.distances * n * (n - 1) // 2 == width)
