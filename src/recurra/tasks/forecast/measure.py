"""The table of the model beside its baselines, on the same held-out windows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data import Windows
from recurra.tasks.forecast.baselines import Naive, NLinear, SeasonalNaive
from recurra.tasks.forecast.metrics import errors

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
Table = dict[str, dict[str, float]]

MODEL = "model"
MOST_ORIGINS = 20_000


class Units(NamedTuple):
    """What turns scaled numbers of each series into its own unit; each (S,)."""

    mean: Floats
    std: Floats
    naive_scales: Floats


def compare(
    windows: Windows, origins: Indices, model: Floats, nlinear: NLinear, season: int, units: Units
) -> Table:
    """Errors of the model and of each baseline: `{method: {metric: value}}`.

    Args:
        windows: the panel's windows.
        origins: (N,) where forecasts begin.
        model: (N, P) the network's answers, scaled.
        nlinear: the fitted linear baseline.
        season: steps in a season; 1 leaves the seasonal naive out.
        units: of the panel's series.
    """
    answers = {MODEL: model, "naive": Naive().predict(windows, origins)}
    if season > 1:
        answers["seasonal naive"] = SeasonalNaive(season).predict(windows, origins)
    answers["nlinear"] = nlinear.predict(windows, origins)
    series = windows.series(origins)
    mean, std = units.mean[series][:, None], units.std[series][:, None]
    targets = windows.targets(origins)
    true = targets.y * std + mean
    scales = units.naive_scales[series]
    return {
        name: errors(scaled * std + mean, true, targets.observed, series, scales)
        for name, scaled in answers.items()
    }


def thinned(windows: Windows, origins: Indices, most: int = MOST_ORIGINS) -> Indices:
    """Every k-th moment of time, from the last one back, so that at most `most` origins stay."""
    if len(origins) <= most:
        return origins
    times = windows.times(origins)
    moments = np.unique(times)[::-1][:: -(-len(origins) // most)]
    return origins[np.isin(times, moments)]


def spread(windows: Windows, origins: Indices, count: int) -> Indices:
    """The origins at `count` moments of time, spread evenly up to the last one."""
    times = windows.times(origins)
    moments = np.unique(times)
    chosen = moments[np.linspace(len(moments) - 1, 0, count).round().astype(int)]
    return origins[np.isin(times, chosen)]


def verdict(table: Table) -> str:
    """One sentence: whether the model beats its best baseline, or loses, or is level with it."""
    scores = {name: row["mase"] for name, row in table.items() if np.isfinite(row["mase"])}
    word = "MASE" if scores else "MAE"
    scores = scores or {name: row["mae"] for name, row in table.items()}
    mine = scores.pop(MODEL)
    best = min(scores, key=lambda name: scores[name])
    if f"{mine:.3f}" == f"{scores[best]:.3f}":
        return f"the model and the best baseline, {best}, are level: {word} {mine:.3f}"
    if mine < scores[best]:
        return (
            f"the model wins: {word} {mine:.3f} against {scores[best]:.3f} of the best baseline, "
            f"{best}"
        )
    return f"the baseline {best} wins: {word} {scores[best]:.3f} against the model's {mine:.3f}"
