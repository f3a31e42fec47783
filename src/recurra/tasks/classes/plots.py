"""Answers of classes as pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recurra.tasks.classes.report import ClassReport, Curve
from recurra.tasks.plain import plain
from recurra.train import save_picture

MOST_NUMBERED = 12
INK, MODEL = "#30343b", "#c2410c"


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


def draw_reliability(path: Path, report: ClassReport) -> None:
    """Confidence against accuracy: what is honest lies on the diagonal; dots grow with examples."""
    bins, axes = report.reliability, _square()
    there = bins.counts > 0
    share = bins.counts[there] / bins.counts.sum()
    places = bins.confidence[there], bins.accuracy[there]
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(*places, color=MODEL, linewidth=1.2)
    axes.scatter(*places, s=12 + 300 * share, color=MODEL, alpha=0.6, linewidths=0)
    axes.set_xlabel("confidence")
    axes.set_ylabel("share that is right")
    axes.set_title(f"calibration error {report.figures['ece']:.3f}", loc="left", fontsize=10)
    save_picture(axes.figure, path)


def draw_roc(path: Path, curve: Curve, name: str) -> None:
    """How many of one class are found for how many false alarms.

    Args:
        name: the class that is found.
    """
    axes = _square()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(curve.false, curve.true, color=MODEL, linewidth=1.4)
    axes.set_xlabel("share of the others that is taken for it")
    axes.set_ylabel(f"share of {plain(name[:20])} that is found")
    axes.set_title(f"area under the curve {curve.area:.3f}", loc="left", fontsize=10)
    save_picture(axes.figure, path)


def _square() -> Any:
    axes = Figure(figsize=(4.6, 4.6), layout="constrained").add_subplot()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    return axes
