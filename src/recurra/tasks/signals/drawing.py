"""Answers as pictures: how likely each class is, or how large each number."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recurra.tasks.plain import plain
from recurra.train import save_picture

MOST_ROWS, MOST_LETTERS = 24, 24
INK = "#30343b"
# The classes of a bar, in turn.
SHADES = ("#c2410c", "#30343b", "#0f766e", "#a16207", "#6d28d9", "#be185d", "#4d7c0f", "#0369a1")


def draw_answers(path: Path, answer: pd.DataFrame) -> None:
    """Of each sequence a bar; where steps are answered, of the first sequence a line over them.

    Args:
        path: its ending says the format.
        answer: the frame that `predict` gives of a file.
    """
    numbers = "prediction" in answer
    columns = ["prediction"] if numbers else [c for c in answer.columns if c.startswith("p_")]
    stepwise = "step" in answer
    few = answer[answer["name"] == answer["name"].iloc[0]] if stepwise else answer[:MOST_ROWS]
    height = 3.4 if stepwise else 1.2 + 0.32 * len(few)
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.add_subplot()
    (_lines if stepwise else _bars)(axes, few, columns)
    axes.spines[["top", "right"]].set_visible(False)
    if not numbers:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    save_picture(figure, path)


def _bars(axes: Axes, few: pd.DataFrame, columns: list[str]) -> None:
    left = np.zeros(len(few))
    for place, column in enumerate(columns):
        share = few[column].to_numpy()
        axes.barh(
            np.arange(len(few)),
            share,
            left=left,
            height=0.6,
            color=SHADES[place % len(SHADES)],
            label=_called(column) if place < len(SHADES) else None,
        )
        left = left + share
    names = [plain(name[:MOST_LETTERS]) for name in few["name"]]
    axes.set_yticks(range(len(few)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("prediction" if columns == ["prediction"] else "probability")


def _lines(axes: Axes, few: pd.DataFrame, columns: list[str]) -> None:
    for place, column in enumerate(columns[: len(SHADES)]):
        axes.plot(few["step"], few[column], color=SHADES[place], label=_called(column))
    axes.set_xlabel("step")
    axes.set_ylabel("prediction" if columns == ["prediction"] else "probability")
    axes.set_title(plain(str(few["name"].iloc[0])[:MOST_LETTERS]), loc="left", fontsize=10)


def _called(column: str) -> str:
    return plain(column.removeprefix("p_")[:MOST_LETTERS])
