"""What people would rather see than read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recurra.train import save_picture
from recurra.tune.outcome import Attempt, finished, value

INK, BEST, PALE = "#30343b", "#c2410c", "#9aa1ab"
# What lies further above the best, in spreads of the better half, only squeezes the rest.
SPREADS = 6.0


def draw_importances(path: Path, importances: Mapping[str, float]) -> None:
    """A bar a field, the largest on top."""
    names = list(importances)[::-1]
    figure = Figure(figsize=(7, 1.0 + 0.32 * max(2, len(names))), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(names, [importances[name] for name in names], color=BEST, height=0.6)
    axes.bar_label(bars, fmt="{:.0%}", padding=4, fontsize=8, color=INK)
    axes.set_xlim(0, 1.12 * max(importances.values(), default=1.0))
    axes.set_xlabel("share in how much trials differ")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    save_picture(figure, path)


def draw_trials(path: Path, trials: Sequence[Attempt]) -> None:
    """Each trial's validation loss, and the best so far."""
    ended = sorted(finished(trials), key=lambda trial: trial.number)
    pruned = [trial for trial in trials if trial.state == "pruned"]
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    _points(axes, ended, INK, "o", "finished")
    _points(axes, pruned, PALE, "x", "pruned")
    best = [min(map(value, ended[: place + 1])) for place in range(len(ended))]
    numbers = [trial.number for trial in ended]
    last = max((trial.number for trial in trials), default=0)
    axes.step([*numbers, last], [*best, best[-1]], where="post", color=BEST, label="best so far")
    for default in (trial for trial in ended if trial.default):
        axes.axhline(value(default), color=INK, linewidth=0.8, linestyle=":", label="the default")
    axes.set_ylim(top=_top([*map(value, ended), *map(value, pruned)]))
    axes.set_xlabel("trial")
    axes.set_ylabel("validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    save_picture(figure, path)


def _points(axes: Axes, trials: Sequence[Attempt], color: str, mark: str, name: str) -> None:
    if trials:
        numbers = [trial.number for trial in trials]
        axes.plot(numbers, [*map(value, trials)], mark, color=color, markersize=5, label=name)


def _top(values: Sequence[float]) -> float:
    """Where the axis ends: above all, but for a few that are far off."""
    ordered = sorted(values)
    best, middle, worst = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    spread = middle - best
    if spread == 0 or worst <= best + SPREADS * spread:
        return worst + 0.05 * (worst - best or abs(worst) or 1.0)
    return best + SPREADS * spread
