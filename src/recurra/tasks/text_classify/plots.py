"""What people would rather see than read."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recurra.tasks.plain import plain
from recurra.train import save_picture

MOST_TEXTS, SHOWN_LETTERS = 8, 70
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
