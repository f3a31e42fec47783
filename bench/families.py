"""The networks that `capability` teaches: one recipe a family of cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recurra.cells import CELLS, Cell, Elman, orthogonal
from recurra.layers import PreNorm, Residual

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


def residual(name: str, number: int = 1, **options: Any) -> Make:
    """So many of a cell, each behind a norm and beside a residual."""

    def make(width: int) -> list[Cell[Any]]:
        kind: Any = CELLS[name]
        return [Residual(PreNorm(kind(width, width, **options))) for _ in range(number)]

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
    Family("minGRU", residual("mingru", 3), rate=3e-3),
    Family("minGRU, signed", residual("mingru", 3, signed=True), rate=3e-3),
    Family("LRU", residual("lru", 2)),
    Family("Mamba", residual("mamba", 2), 64),
    Family("linear attention", residual("linear_attention", 2), 64),
    Family("Gated DeltaNet", residual("gated_deltanet"), 64),
    Family("window attention", residual("window_attention", 2, window=32), 64),
]
