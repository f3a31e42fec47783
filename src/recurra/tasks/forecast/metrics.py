"""How far off forecasts are, and how often an interval holds the truth."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]

UNITS = {"mase": "× seasonal naive in training", "mae": "data's own", "rmse": "data's own"}


def errors(
    predicted: Floats, true: Floats, observed: Flags, series: Indices, scales: Floats
) -> dict[str, float]:
    """MASE, MAE and RMSE over windows.

    Args:
        predicted: (N, P) in the data's own unit.
        true: (N, P) likewise.
        observed: (N, P) which true values are real; the others do not count.
        series: (N,) the series of each row.
        scales: (N,) the mean absolute error of the seasonal naive forecast of one season ahead
            over the series' training part; NaN where there is none.

    Returns:
        `mase`, the mean over series of each one's mean scaled error (Hyndman and Koehler, "Another
        look at measures of forecast accuracy", 2006, section 4); `mae` and `rmse` over all steps.
    """
    error = np.where(observed, np.abs(predicted - true), 0.0)
    counts = observed.sum(axis=1)
    scaled = error.sum(axis=1) / scales
    use = np.isfinite(scaled) & (counts > 0)
    _, member = np.unique(series[use], return_inverse=True)
    per_series = np.bincount(member, scaled[use]) / np.bincount(member, counts[use])
    total = counts.sum()
    return {
        "mase": float(per_series.mean()) if len(per_series) else float("nan"),
        "mae": float(error.sum() / total),
        "rmse": float(np.sqrt((error**2).sum() / total)),
    }


def naive_scale(values: Floats, season: int) -> float:
    """Mean absolute difference one season apart; NaN where nothing can be compared."""
    if len(values) <= season:
        return float("nan")
    change = np.abs(values[season:] - values[:-season])
    seen = np.isfinite(change)
    scale = float(change[seen].mean()) if seen.any() else 0.0
    return scale if scale > 0 else float("nan")


def coverage(low: Floats, high: Floats, true: Floats, observed: Flags) -> float:
    """Share of the observed true values that lie in their interval."""
    inside = (true >= low) & (true <= high) & observed
    return float(inside.sum() / max(1, observed.sum()))
