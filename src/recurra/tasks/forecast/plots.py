"""What people would rather see than read."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recurra.data import Panel
from recurra.tasks.forecast.intervals import LEVELS
from recurra.train import save_picture

MOST_SERIES = 6
HISTORY_PER_HORIZON = 4
INK, FORECAST = "#30343b", "#c2410c"
SHADES = {80: 0.30, 95: 0.15}


def draw_forecast(path: Path, panel: Panel, forecast: pd.DataFrame) -> None:
    """History, forecast and intervals, one row of axes a series, at most six.

    Args:
        path: its ending says the format.
        panel: the history.
        forecast: the long frame of `Forecaster.predict`.
    """
    names = panel.names[:MOST_SERIES]
    by = panel.schema.series or ""
    figure = Figure(figsize=(9, 1.2 + 2.4 * len(names)), layout="constrained")
    for row, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, row + 1)
        ahead = forecast[forecast["unique_id"] == name]
        values = panel.values[row][-max(len(ahead) * HISTORY_PER_HORIZON, 40) :]
        end = int(panel.starts[row]) + len(panel.values[row])
        stamps = panel.grid.stamps(np.arange(end - len(values), end))
        axes.plot(stamps, values, color=INK, linewidth=1.0, label="history")
        for level in reversed(LEVELS):
            axes.fill_between(
                ahead["ds"].to_numpy(),
                ahead[f"lo-{level}"].to_numpy(),
                ahead[f"hi-{level}"].to_numpy(),
                color=FORECAST,
                alpha=SHADES[level],
                linewidth=0,
                label=f"{level} % interval",
            )
        axes.plot(
            ahead["ds"].to_numpy(), ahead["y_hat"], color=FORECAST, linewidth=1.4, label="forecast"
        )
        axes.set_title(f"{by} {name}".strip(), loc="left", fontsize=10)
        axes.margins(x=0.01)
        axes.spines[["top", "right"]].set_visible(False)
        if row == 0:
            axes.legend(loc="upper left", fontsize=8, frameon=False, ncols=4)
    save_picture(figure, path)
