"""Answers of classes as pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recurra.tasks.plain import plain
from recurra.train import save_picture

MOST_NUMBERED = 12
INK = "#30343b"


def draw_confusion(path: Path, table: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    """How many examples of each class (row) were taken for which (column)."""
    size = min(12.0, 2.4 + 0.6 * len(classes))
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes: Any = figure.add_subplot()
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    if len(classes) <= MOST_NUMBERED:
        for row, column in np.ndindex(*table.shape):
            color = "white" if shares[row, column] > 0.5 else INK
            number = f"{table[row, column]:,}"
            axes.text(column, row, number, ha="center", va="center", color=color, fontsize=9)
        names = [plain(name[:20]) for name in classes]
        axes.set_xticks(range(len(classes)), names, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(range(len(classes)), names, fontsize=8)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    save_picture(figure, path)
