"""What is said of answers that are values, beside one figure; reports in a run folder."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.classes.report import ClassReport
from recurra.tasks.signals.accuracy import errors
from recurra.train import write_whole

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
# Points that a picture shows, and stretches of steps that errors are averaged over.
MOST_POINTS, STRETCHES = 1000, 40
REPORT = "report.json"
Draw = dict[str, Callable[[Path], None]]


@dataclass(frozen=True)
class ValueReport:
    """All that a report of values shows.

    Args:
        figures: what `errors` gives.
        true: (P,) some of the true values, spread evenly over their order.
        said: (P,) the answers to them.
        steps: (Q,) the middle of each stretch of steps, from 1 on; empty where whole sequences
            are answered.
        off: (Q,) the mean absolute error in it.
    """

    figures: dict[str, float]
    true: Floats
    said: Floats
    steps: Floats
    off: Floats

    @classmethod
    def of(cls, said: Floats, true: Floats, lengths: Indices | None = None) -> "ValueReport":
        """From answers and true values, (N,).

        Args:
            lengths: (B,) steps of each sequence, where each step is answered.
        """
        kept = np.argsort(true, kind="stable")
        kept = kept[np.unique(np.linspace(0, len(kept) - 1, MOST_POINTS).round().astype(int))]
        steps, off = np.zeros(0), np.zeros(0)
        if lengths is not None:
            steps, off = _over_steps(np.abs(said - true), lengths)
        return cls(errors(said, true), true[kept], said[kept], steps, off)

    def text(self) -> str:
        """A line of figures, and one of the errors at the beginning and at the end."""
        figures = self.figures
        line = f"RMSE {figures['rmse']:.4g}, MAE {figures['mae']:.4g}, R² {figures['r2']:.3f}"
        if len(self.steps) < 2:
            return line
        first, last = (f"{self.off[k]:.4g} around step {self.steps[k]:.0f}" for k in (0, -1))
        return f"{line}\nmean absolute error {first}, {last}"

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; a figure that is not finite becomes null."""
        return {
            "figures": {k: v if isfinite(v) else None for k, v in self.figures.items()},
            "values": {"true": self.true.tolist(), "answer": self.said.tolist()},
            "steps": {"step": self.steps.tolist(), "mae": self.off.tolist()},
        }


def drawn(report: ClassReport | ValueReport) -> Draw:
    """The files of a report in a run folder: for each name, what writes it to a path."""
    from recurra.tasks.classes.plots import draw_confusion, draw_reliability, draw_roc
    from recurra.tasks.signals.plots import draw_steps, draw_values

    found: Draw = {REPORT: lambda path: write_report(path, report)}
    if isinstance(report, ValueReport):
        found["values.png"] = lambda path: draw_values(path, report)
        if len(report.steps):
            found["steps.png"] = lambda path: draw_steps(path, report)
        return found
    found["confusion.png"] = lambda path: draw_confusion(path, report.table, report.classes)
    found["calibration.png"] = lambda path: draw_reliability(path, report)
    curve = report.curve
    if curve is not None:
        found["roc.png"] = lambda path: draw_roc(path, curve, report.classes[1])
    return found


def write_report(path: Path, report: ClassReport | ValueReport) -> None:
    """The report as a JSON file.

    Raises:
        StorageError: it could not be written.
    """
    text = json.dumps(report.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _over_steps(off: Floats, lengths: Indices) -> tuple[Floats, Floats]:
    """The middle of each stretch of steps, and the mean of `off` in it."""
    place = np.concatenate([np.arange(length) for length in lengths])
    longest = int(lengths.max())
    count = min(STRETCHES, longest)
    stretch = place * count // longest
    inside = np.bincount(stretch, minlength=count)
    middle = np.bincount(stretch, place + 1, minlength=count) / inside
    return middle, np.bincount(stretch, off, minlength=count) / inside
