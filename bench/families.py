"""The networks that `capability` teaches: one recipe a family of cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recurra.cells import CELLS, Cell

Make = Callable[[int], list[Cell[Any]]]


@dataclass(frozen=True)
class Family:
    """Cells on top of each other.

    Args:
        layers: the cells that take and give so many features.
        rate: Adam's step size.
    """

    name: str
    layers: Make
    width: int = 128
    rate: float = 2e-3


def plain(name: str, number: int = 1, **options: Any) -> Make:
    """So many of a cell, one reading the other."""

    def make(width: int) -> list[Cell[Any]]:
        kind: Any = CELLS[name]
        return [kind(width, width, **options) for _ in range(number)]

    return make


FAMILIES = [
    Family("Elman", plain("elman")),
    Family("LSTM", plain("lstm")),
    Family("GRU", plain("gru")),
]
