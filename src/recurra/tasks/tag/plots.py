"""What people would rather see than read."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from recurra.tasks.tag.spans import OUTSIDE, is_entities, parts
from recurra.train import save_picture

MOST_LINES, LINE_LETTERS, WORD_LETTERS = 40, 96, 24
# Inches of a letter, and of a line: a word above its tag.
LETTER, LINE = 0.082, 0.5
INK, FAINT = "#30343b", "#8a9099"


class Placed(NamedTuple):
    """A word of a picture: its line, its first column in letters, what it shows."""

    line: int
    column: int
    word: str
    tag: str
    confidence: float


def draw_tags(path: Path, answer: pd.DataFrame, tags: tuple[str, ...]) -> None:
    """Sentences, each word on the colour of its tag; paler where the model is less sure.

    Args:
        path: its ending says the format.
        answer: the frame of `Tagger.predict`; no more is drawn than 40 lines hold.
        tags: all that there are, for their colours.
    """
    placed = list(_placed(answer))
    lines = 1 + max((each.line for each in placed), default=0)
    figure = Figure(figsize=(LETTER * LINE_LETTERS + 0.4, LINE * lines + 0.4))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(-2, LINE_LETTERS + 2), ylim=(lines + 0.3, -0.5))
    axes.axis("off")
    colours = _colours(tags)
    for each in placed:
        colour = colours.get(_kind(each.tag, tags))
        box = {"facecolor": colour or "none", "alpha": 0.1 + 0.4 * each.confidence}
        axes.text(
            *(each.column, each.line, each.word),
            family="monospace",
            fontsize=9,
            color=INK,
            bbox={**box, "edgecolor": "none", "boxstyle": "round,pad=0.15"},
            parse_math=False,
        )
        if colour is not None:
            axes.text(
                *(each.column, each.line + 0.36, each.tag),
                fontsize=6,
                color=FAINT,
                parse_math=False,
            )
    save_picture(figure, path)


def _placed(answer: pd.DataFrame) -> Iterator[Placed]:
    """Words line by line; a sentence begins a line, and long ones go on in the next."""
    line = column = 0
    before = None
    for sentence, word, tag, confidence in answer.itertuples(index=False):
        shown = word if len(word) <= WORD_LETTERS else word[: WORD_LETTERS - 1] + "…"
        # A tag is written at two thirds of a word's size.
        wide = max(len(shown), -(-2 * len(tag) // 3))
        if before is not None and (sentence != before or column + wide > LINE_LETTERS):
            line, column = line + 1, 0
        if line == MOST_LINES:
            return
        yield Placed(line, column, shown, tag, float(confidence))
        column, before = column + wide + 2, sentence


def _colours(tags: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """A colour for each kind of tag; none for words outside of entities."""
    kinds = sorted({_kind(tag, tags) for tag in tags} - {""})
    shades = colormaps["gist_rainbow"](np.linspace(0, 0.92, len(kinds)))
    return {kind: tuple(shade) for kind, shade in zip(kinds, shades, strict=True)}


def _kind(tag: str, tags: tuple[str, ...]) -> str:
    """What decides the colour: of entities, not where in one a word stands."""
    if not is_entities(tags):
        return tag
    return "" if tag == OUTSIDE else parts(tag)[1]
