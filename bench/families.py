"""The networks that `capability` teaches: one recipe a family of cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recurra.cells import CELLS, Cell, Elman, orthogonal
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


def blocks(name: str, number: int = 2, seen: int = 4, **options: Any) -> Make:
    """So many residual blocks around a cell, each with an MLP.

    Args:
        seen: steps that a convolution before the cell sees; 0 for none.
    """

    def make(width: int) -> list[Cell[Any]]:
        kind: Any = CELLS[name]
        return [Block(kind(width, width, **options), width=seen) for _ in range(number)]

    return make


def orthogonal_elman(width: int) -> list[Cell[Any]]:
    """Turned by an orthogonal matrix at every step, which loses nothing."""
    cell = Elman(width, width, nonlinearity="modrelu")
    orthogonal(cell)
    return [cell]


FAMILIES = [
    Family("Elman", plain("elman")),
    Family("Elman, orthogonal", orthogonal_elman),
    Family("LSTM", plain("lstm")),
    Family("GRU", plain("gru")),
    Family("sLSTM", plain("slstm")),
    Family("minGRU", blocks("mingru", 3, 0), 64),
    Family("minGRU, signed", blocks("mingru", 3, 0, signed=True), 64),
    Family("LRU", blocks("lru"), 64),
    Family("Mamba", blocks("mamba", 2, 0), 64),
    Family("linear attention", blocks("linear_attention"), 64),
    Family("Gated DeltaNet", blocks("gated_deltanet", 2, 0), 64),
    Family("window attention", blocks("window_attention", window=32), 64),
]
