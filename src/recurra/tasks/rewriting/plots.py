"""What people would rather see than read."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recurra.tasks.plain import plain
from recurra.tasks.rewriting.looks import Looks
from recurra.train import save_picture

# Words of a side that are drawn, and letters of a word; inches of a word.
MOST_WORDS, MOST_LETTERS, WORD = 60, 20, 0.26


def draw_looks(path: Path, looks: Looks) -> None:
    """The source from left to right, the answer from top to bottom, a share as a shade.

    Args:
        path: its ending says the format.
        looks: of one source and one answer, of which the first 60 words each are drawn.
    """
    source, target = looks.source[:MOST_WORDS], looks.target[:MOST_WORDS]
    wide, high = 1.8 + WORD * len(source), 1.6 + WORD * len(target)
    figure = Figure(figsize=(max(3.0, wide), max(2.4, high)), layout="constrained")
    axes: Any = figure.add_subplot()
    shares = looks.shares[: len(target), : len(source)]
    axes.imshow(shares, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(source)), _shown(source), rotation=60, ha="left", fontsize=8)
    axes.set_yticks(range(len(target)), _shown(target), fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    save_picture(figure, path)


def _shown(words: tuple[str, ...]) -> list[str]:
    return [
        plain(word if len(word) <= MOST_LETTERS else word[: MOST_LETTERS - 1] + "…")
        for word in words
    ]
