"""What people would rather see than read."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recurra.tasks.plain import plain
from recurra.train import save_picture

MOST_TEXTS, MOST_NUMBERED, SHOWN_LETTERS = 8, 12, 70
INK = "#30343b"
# The classes of a bar, in turn.
SHADES = ("#c2410c", "#30343b", "#0f766e", "#a16207", "#6d28d9", "#be185d", "#4d7c0f", "#0369a1")


def draw_answer(path: Path, answer: pd.DataFrame) -> None:
    """The probabilities of each class as one bar a text, at most eight texts.

    Args:
        path: its ending says the format.
        answer: the frame of `TextClassifier.predict`.
    """
    few = answer.iloc[:MOST_TEXTS]
    names = [name for name in answer.columns if name.startswith("p_")]
    figure = Figure(figsize=(9, 1.3 + 0.55 * len(few)), layout="constrained")
    axes = figure.add_subplot()
    left = np.zeros(len(few))
    for place, name in enumerate(names):
        share = few[name].to_numpy()
        color = SHADES[place % len(SHADES)]
        label = name.removeprefix("p_") if place < len(SHADES) else None
        axes.barh(np.arange(len(few)), share, left=left, color=color, height=0.45, label=label)
        left = left + share
    for row, (text, reason) in enumerate(zip(few["text"], few["because"], strict=True)):
        said = plain(" ".join(text.split())[:SHOWN_LETTERS] + (f"   [{reason}]" if reason else ""))
        axes.text(0, row - 0.32, said, fontsize=8, color=INK, verticalalignment="bottom")
    axes.set_ylim(len(few) - 0.5, -0.9)
    axes.set_yticks([])
    axes.set_xlabel("probability")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(loc="upper center", ncols=4, fontsize=8, frameon=False, bbox_to_anchor=(0.5, 1.15))
    save_picture(figure, path)


def draw_confusion(path: Path, table: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    """How many texts of each class (row) were taken for which (column)."""
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
