"""The networks that `capability` teaches: one recipe a family of cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recurra.cells import CELLS, Cell
from recurra.layers.block import Block

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


def blocks(name: str, number: int = 2, **options: Any) -> Make:
    """So many residual blocks around a cell, each with a short convolution and an MLP."""

    def make(width: int) -> list[Cell[Any]]:
        kind: Any = CELLS[name]
        return [Block(kind(width, width, **options)) for _ in range(number)]

    return make


FAMILIES = [
    Family("Elman", plain("elman")),
    Family("LSTM", plain("lstm")),
    Family("GRU", plain("gru")),
    Family("minGRU", blocks("mingru", 3), 64),
    Family("minGRU (-1, 1)", blocks("mingru", 3, signed=True), 64),
    Family("LRU", blocks("lru"), 64),
]
