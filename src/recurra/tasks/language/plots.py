"""What people would rather see than read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from recurra.train import save_picture

INK, MODEL = "#30343b", "#c2410c"
# Tokens up to which each one is a point with its name, and those that the mean line reaches over.
NAMED, REACH = 80, 25


def draw_surprise(path: Path, tokens: Sequence[str], nats: Sequence[float]) -> None:
    """How surprising each token of a text was, and the mean around it.

    Args:
        path: its ending says the format.
        tokens: of the text, for people.
        nats: -log p of each.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.add_subplot()
    places, worth = np.arange(len(nats)), np.asarray(nats)
    axes.bar(places, worth, width=1.0, color=INK, alpha=0.35, label="each token")
    if len(nats) > 1:
        width = min(REACH, len(nats))
        ones = np.ones(width)
        around = np.convolve(worth, ones, "same") / np.convolve(np.ones(len(worth)), ones, "same")
        axes.plot(places, around, color=MODEL, linewidth=1.4, label=f"mean over {width}")
    if len(nats) <= NAMED:
        # A dollar would begin a formula.
        axes.set_xticks(places, [token.replace("$", r"\$") for token in tokens], fontsize=7)
    axes.set_xlabel("token")
    axes.set_ylabel("surprise, nats")
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    if len(nats):
        axes.legend(frameon=False, fontsize=8)
    save_picture(figure, path)
