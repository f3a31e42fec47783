"""A diagnosis as a picture: gradients over time, influence, gates, updates."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recurra.train.diagnose.diagnosis import EXPLODING, VANISHING, Diagnosis, Layer
from recurra.train.diagnose.flow import SHARE
from recurra.train.picture import save_picture

INK, PALE, SHUT, OPEN = "#30343b", "#9aa1ab", "#1d4ed8", "#c2410c"
COLORS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0e7490", "#a16207")
# What fits into a picture that is still read.
MOST_LAYERS, MOST_GATES, MOST_WEIGHTS, MOST_LETTERS = 6, 16, 16, 34
# A learning step is usually about so large a share of the weights.
USUAL = 1e-3


def draw(diagnosis: Diagnosis, path: Path) -> None:
    """Four axes; at most six layers, those nearest to the input.

    Args:
        path: its ending says the format.
    """
    layers = diagnosis.layers[:MOST_LAYERS]
    bars = max(len(_bars(layers)), min(len(diagnosis.weights), MOST_WEIGHTS), 4)
    figure = Figure(figsize=(12, 6.2 + 0.24 * bars), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(4.4, 1.8 + 0.24 * bars))
    _carried(figure.add_subplot(grid[0, 0]), layers)
    _influence(figure.add_subplot(grid[0, 1]), layers)
    _gates(figure.add_subplot(grid[1, 0]), layers)
    _updates(figure.add_subplot(grid[1, 1]), diagnosis)
    save_picture(figure, path)


def _carried(axes: Axes, layers: Sequence[Layer]) -> None:
    """What is left of a gradient, by steps back, beside the loss's own."""
    for layer, color in zip(layers, COLORS, strict=False):
        factor = "" if layer.factor is None else f" × {layer.factor:.3g} a step"
        label = f"{_short(layer.name)}:{factor} ({layer.verdict})"
        axes.plot(_positive(layer.carried), color=color, linewidth=1.6, label=label)
        arriving = _positive(layer.gradient[::-1])
        if not np.isnan(arriving).all():
            axes.plot(arriving / np.nanmax(arriving), ":", color=color)
    longest = max((len(layer.carried) for layer in layers), default=1)
    back = np.arange(longest)
    low, high = VANISHING**back, EXPLODING**back
    axes.fill_between(back, low, high, color=PALE, alpha=0.25, linewidth=0, label="healthy")
    axes.plot([], [], ":", color=INK, label="the loss's own gradient, over its largest")
    axes.set_yscale("log")
    axes.set_ylabel("norm, over that at no steps back")
    axes.set_xlabel("steps back in time")
    _legend(axes, 1)
    _frame(axes, "What is left of a state's gradient")


def _influence(axes: Axes, layers: Sequence[Layer]) -> None:
    """The accumulated influence, with the horizon where it passes 95 %."""
    for layer, color in zip(layers, COLORS, strict=False):
        if layer.influence is None or layer.horizon is None:
            continue
        label = f"{_short(layer.name)}: {layer.horizon} of {layer.steps - 1} steps"
        axes.step(range(len(layer.influence)), layer.influence, color=color, label=label)
        axes.axvline(layer.horizon, color=color, linewidth=0.8, linestyle="--")
    axes.axhline(SHARE, color=PALE, linewidth=0.8)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("of the influence of inputs")
    axes.set_xlabel("at most so many steps back")
    if axes.get_legend_handles_labels()[0]:
        axes.plot([], [], "--", color=INK, linewidth=0.8, label="memory horizon, 95 %")
        _legend(axes, 1)
    else:
        _empty(axes, "the loss reads no outputs")
    _frame(axes, "How far back memory reaches")


def _gates(axes: Axes, layers: Sequence[Layer]) -> None:
    """Shares of units that are stuck or dead."""
    bars = _bars(layers)
    for row, (_, shut, opened) in enumerate(bars):
        axes.barh(row, shut, color=SHUT, height=0.7, label="shut, or dead" if not row else None)
        axes.barh(row, opened, left=shut, color=OPEN, height=0.7, label=None if row else "open")
        axes.text(shut + opened + 0.01, row, f"{shut + opened:.0%}", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("of the units, at nearly all steps of all rows")
    _legend(axes)
    _frame(axes, "Gates and outputs that never move", whole=False)


def _updates(axes: Axes, diagnosis: Diagnosis) -> None:
    """How far a step moves each weight, the largest ones first."""
    known = [each for each in diagnosis.weights if each.ratio]
    known = sorted(known, key=lambda each: -(each.ratio or 0))[:MOST_WEIGHTS]
    ratios = [each.ratio or 0.0 for each in known]
    axes.barh(range(len(known)), ratios, color=INK, height=0.7)
    axes.set_yticks(range(len(known)), [_short(each.name) for each in known], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(min([USUAL, *ratios]) / 3, max([USUAL, *ratios]) * 3)
    axes.axvline(USUAL, color=PALE, linewidth=1.2, linestyle="--", label="usual, about 0.001")
    axes.set_xlabel(f"update over weight (norms), step: {diagnosis.optimizer}")
    _legend(axes)
    _frame(axes, "How far a step moves the weights", whole=False)


def _bars(layers: Sequence[Layer]) -> list[tuple[str, float, float]]:
    found = []
    for layer in layers:
        name = _short(layer.name)
        found += [(f"{name}: {gate.name}", gate.shut, gate.open) for gate in layer.gates]
        found.append((f"{name}: outputs", layer.dead, 0.0))
    return found[:MOST_GATES]


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"…{name[1 - MOST_LETTERS :]}"


def _positive(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Gaps where a logarithm has no place."""
    found = np.asarray(values, dtype=float)
    return np.where(np.isfinite(found) & (found > 0), found, np.nan)


def _empty(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", color=INK)


def _legend(axes: Axes, columns: int = 2) -> None:
    """Below the axes, where nothing is drawn."""
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8, frameon=False, ncols=columns
    )


def _frame(axes: Axes, title: str, whole: bool = True) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if whole:
        axes.margins(x=0.01)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
