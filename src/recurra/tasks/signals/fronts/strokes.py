"""Strokes of a pen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals.number_file import as_numbers, read_number_file, stem_of
from recurra.data.signals.strokes import (
    CHANNELS,
    FORMS,
    as_points,
    normalise,
    pen_features,
    resample,
)
from recurra.errors import OptionError
from recurra.tasks.signals.fronts.front import Front


@dataclass(frozen=True)
class Strokes(Front):
    """Points of a pen: where they are in the drawing, the way from one to the next, and lifts.

    Args:
        points: that a drawing is resampled to, equally far apart along the ink; 0 keeps its own.
        form: what is given: "points", or "stroke-3", which are steps from point to point.
        scaled: whether place and size of the drawing are taken out.
    """

    kind: ClassVar[str] = "strokes"
    endings: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".npy")

    points: int = 0
    form: str = "points"
    scaled: bool = True

    def __post_init__(self) -> None:
        if self.points < 0 or self.points == 1:
            raise OptionError(f"strokes: points is {self.points}; what fits is 0, or 2 and more")
        if self.form not in FORMS:
            raise OptionError(f'strokes: form is "{self.form}"; what fits is {" or ".join(FORMS)}')

    def read(self, path: Path) -> list[tuple[str, Any]]:
        return [(stem_of(path), read_number_file(path))]

    def turn(self, raw: Any, name: str) -> NDArray[np.float32]:
        points = as_points(as_numbers(raw), self.form, name)
        if self.points:
            points = resample(points, self.points)
        return pen_features(normalise(points) if self.scaled else points)

    def channels(self, width: int) -> tuple[str, ...]:
        del width
        return CHANNELS
