"""A fitted forecaster judged on the past of a table that it did not learn from."""

import numpy as np

from recurra.data import Panel, Windows
from recurra.errors import DataError, OptionError
from recurra.tasks.estimator import Measures
from recurra.tasks.forecast.intervals import LEVELS
from recurra.tasks.forecast.learned import Indices, Learned
from recurra.tasks.forecast.measure import MODEL, Units, compare, spread, thinned, verdict
from recurra.tasks.forecast.metrics import coverage
from recurra.tasks.forecast.network import answer

EVERYTHING = 10**15


def backtest(learned: Learned, panel: Panel, moments: int | None) -> Measures:
    """Errors and coverage of the intervals as they were saved, beside the baselines.

    Args:
        learned: what was fitted.
        panel: series to judge on.
        moments: moments of time from which forecasts begin; None for all there are.
    """
    scaler = learned.scaler.for_series(panel.names, panel.values)
    windows = learned.windows(panel, scaler)
    numbers = learned.numbers(panel)
    origins = _held_out(learned, panel, windows, numbers)
    if moments is None:
        origins = thinned(windows, origins)
    else:
        most = len(np.unique(windows.times(origins)))
        if not 1 <= moments <= most:
            raise OptionError(f"windows is {moments}; the held-out part has 1 … {most}")
        origins = spread(windows, origins, moments)
    series = windows.series(origins)
    predicted = answer(learned.network, windows, origins, numbers[series])
    units = Units(scaler.mean, scaler.std, learned.naive_scales_of(panel, numbers))
    table = compare(windows, origins, predicted, learned.nlinear, learned.season, units)
    targets = windows.targets(origins)
    metrics = table.pop(MODEL)
    for level in LEVELS:
        low, high = learned.intervals.around(predicted, level)
        metrics[f"coverage_{level}"] = coverage(low, high, targets.y, targets.observed)
    strangers = int((numbers[np.unique(series)] < 0).sum())
    new = f", {strangers} of them new" if strangers else ""
    about = f"on {len(origins):,} forecasts of {windows.horizon} steps of {len(np.unique(series))} "
    return Measures(metrics, table, about + f"series{new}", verdict({MODEL: metrics, **table}))


def _held_out(learned: Learned, panel: Panel, windows: Windows, numbers: Indices) -> Indices:
    """Origins after what was learned from; all of them for series never seen."""
    grid = learned.tail.grid
    cut = int(panel.grid.index(grid.stamps(np.array([learned.split.test])))[0])
    origins = windows.origins(-EVERYTHING, EVERYTHING)
    new = numbers[windows.series(origins)] < 0
    origins = origins[new | (windows.times(origins) >= cut)]
    if len(origins) == 0:
        raise DataError(
            f"nothing to measure on: it takes {windows.context} steps to look back and "
            f"{windows.horizon} after {grid.stamps(np.array([learned.split.test]))[0]}, up to "
            "which the run has learned"
        )
    return origins
