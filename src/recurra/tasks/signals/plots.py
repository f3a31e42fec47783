"""Answers that are values as pictures, and what mattered to an answer."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from recurra.tasks.plain import plain
from recurra.tasks.signals.mattering import Mattering
from recurra.tasks.signals.reports import ValueReport
from recurra.train import save_picture

INK, MODEL = "#30343b", "#c2410c"
MOST_CHANNELS = 8


def draw_values(path: Path, report: ValueReport) -> None:
    """True values against answers: what is right lies on the diagonal."""
    figure = Figure(figsize=(4.8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    ends = [float(min(report.true.min(), report.said.min()))]
    ends.append(float(max(report.true.max(), report.said.max())))
    axes.plot(ends, ends, color=INK, linewidth=0.8, linestyle=":")
    axes.scatter(report.true, report.said, s=9, color=MODEL, alpha=0.5, linewidths=0)
    axes.set_xlabel("true value")
    axes.set_ylabel("answer")
    axes.set_title(report.text().split("\n")[0], loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    save_picture(figure, path)


def draw_steps(path: Path, report: ValueReport) -> None:
    """The mean absolute error from the beginning of a sequence to its end."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(report.steps, report.off, color=MODEL, linewidth=1.4, marker=".")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_ylabel("mean absolute error")
    axes.spines[["top", "right"]].set_visible(False)
    save_picture(figure, path)


def draw_mattering(path: Path, found: Mattering, title: str = "") -> None:
    """The channels that mattered most: their values, shaded by what each step added.

    Args:
        path: its ending says the format.
        title: such as the name of the example and its answer.
    """
    weight = np.abs(found.added).sum(axis=0)
    channels = np.sort(np.argsort(-weight, kind="stable")[:MOST_CHANNELS])
    most = float(np.abs(found.added).max()) or 1.0
    figure = Figure(figsize=(9, 0.8 + 1.1 * len(channels)), layout="constrained")
    steps = np.arange(1, len(found.values) + 1)
    for row, channel in enumerate(channels):
        axes = figure.add_subplot(len(channels), 1, row + 1)
        values = found.values[:, channel].astype(np.float64)
        there = values[np.isfinite(values)]
        low, high = (there.min(), there.max()) if len(there) else (0.0, 0.0)
        edge = 0.1 * (high - low) or 1.0
        extent = (0.5, len(steps) + 0.5, low - edge, high + edge)
        shade = found.added[:, channel][None]
        axes.imshow(shade, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most, extent=extent)
        axes.plot(steps, values, color=INK, linewidth=1.0, marker="." if len(steps) < 60 else "")
        axes.set_ylabel(plain(found.channels[channel][:16]), fontsize=8)
        axes.tick_params(labelsize=7)
        if row == 0:
            axes.set_title(plain(title), loc="left", fontsize=10)
    axes.set_xlabel("step; red speaks for the answer, blue against it")
    save_picture(figure, path)
