"""Numbers as they stand: a row a step, a column a channel."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import as_steps
from recurra.data.signals.number_file import as_numbers, read_number_file, stem_of
from recurra.tasks.signals.fronts.front import Front


@dataclass(frozen=True)
class Numbers(Front):
    """Numbers as they stand; NaN where one is missing."""

    kind: ClassVar[str] = "numbers"
    endings: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".npy")

    def read(self, path: Path) -> list[tuple[str, Any]]:
        return [(stem_of(path), read_number_file(path))]

    def turn(self, raw: Any, name: str) -> NDArray[np.float32]:
        return as_steps(as_numbers(raw), name)

    def channels(self, width: int) -> tuple[str, ...]:
        return tuple(f"x{number}" for number in range(1, width + 1))
