"""Finds the season: after how many steps a series resembles itself.

    r_k = (sum over observed pairs of d_t d_{t+k}) / n_k  /  (sum over observed of d_t^2) / n_0

where d is the series less its quadratic trend, 0 where missing, and n_k counts the pairs that are
both observed. Sums over all lags come from one FFT.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recurra.data.grid import DAY, parse_frequency

MOST_SERIES = 20
MOST_STEPS = 20_000
# How high a peak must be, and how far above the lowest point before it: what the calendar makes
# likely needs less, and the ripples of a slow decay are no season.
LEAST_STRENGTH, LEAST_RISE = 0.2, 0.05
LEAST_STRENGTH_ELSEWHERE, LEAST_RISE_ELSEWHERE = 0.3, 0.2
AS_STRONG = 0.05


@dataclass(frozen=True)
class Season:
    """A lag in steps, and the autocorrelation there."""

    length: int
    strength: float


def find_season(values: Sequence[np.ndarray], frequency: str) -> Season | None:
    """The season that series share, or None.

    A lag of the calendar (24 and 168 of hours) is preferred where the autocorrelation has a local
    maximum: the highest, or the shorter of two that are about as high. Elsewhere a maximum has to
    be higher, come back at twice its lag, and be seen three times.

    Args:
        values: (T,) each, NaN where missing; at most 20 of them are looked at.
        frequency: alias of the step.
    """
    some = values
    if len(values) > MOST_SERIES:
        some = [values[k] for k in np.linspace(0, len(values) - 1, MOST_SERIES).astype(int)]
    curves = [curve for series in some if (curve := autocorrelation(series)) is not None]
    if not curves:
        return None
    mean = _mean(curves)
    steps = max(len(series[-MOST_STEPS:]) for series in some)
    lag = _of_calendar(mean, [lag for lag in calendar_lags(frequency) if 2 * lag <= steps])
    lag = lag or _elsewhere(mean, steps // 3)
    return Season(lag, float(mean[lag])) if lag is not None else None


def _mean(curves: Sequence[np.ndarray]) -> np.ndarray:
    """The mean at every lag over the series that are long enough for it."""
    padded = np.full((len(curves), max(len(curve) for curve in curves)), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    return np.asarray(np.nanmean(padded, axis=0))


def autocorrelation(series: np.ndarray) -> np.ndarray | None:
    """At lags 0 to 7/10 of the length, or None where there is nothing to correlate."""
    series = series[-MOST_STEPS:]
    seen = ~np.isnan(series)
    if seen.sum() < 8:
        return None
    rest = _detrended(series, seen)
    lags = len(series) * 7 // 10 + 1
    size = 1 << (2 * len(series) - 1).bit_length()
    sums = np.fft.irfft(np.abs(np.fft.rfft(rest, size)) ** 2, size)[:lags]
    pairs = np.fft.irfft(np.abs(np.fft.rfft(seen.astype(np.float64), size)) ** 2, size)[:lags]
    means = sums / np.maximum(np.round(pairs), 1)
    # What rounding leaves of a parabola is no signal.
    if means[0] <= 1e-18 * max(1.0, float(np.nanmax(np.abs(series))) ** 2):
        return None
    return np.asarray(means / means[0])


def _detrended(series: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Less a parabola fitted to what is observed; 0 where missing."""
    time = np.linspace(-1, 1, len(series))
    basis = np.stack([np.ones_like(time), time, time**2], axis=1)
    weights, *_ = np.linalg.lstsq(basis[seen], series[seen], rcond=None)
    return np.where(seen, np.nan_to_num(series) - basis @ weights, 0.0)


def _of_calendar(curve: np.ndarray, lags: Sequence[int]) -> int | None:
    """The lag on the highest top; the shorter of two about as high."""
    found = {lag: float(curve[lag]) for lag in lags if _on_top(curve, lag)}
    if not found:
        return None
    best = max(found.values())
    return min(lag for lag, height in found.items() if height >= best - AS_STRONG)


def _on_top(curve: np.ndarray, lag: int) -> bool:
    """Whether a lag lies on, or very near, the top of its surroundings."""
    low = min(int(0.8 * lag), lag - 1)
    high = min(max(int(np.ceil(1.2 * lag)), lag + 1), len(curve) - 1)
    top = low + int(np.argmax(curve[low : high + 1]))
    inside = low < top < high
    rises = curve[lag] - curve[:lag].min() > LEAST_RISE
    near = curve[lag] >= max(LEAST_STRENGTH, curve[top] - AS_STRONG)
    return bool(inside and rises and near)


def _elsewhere(curve: np.ndarray, longest: int) -> int | None:
    """The first of the clear peaks that are about as high as the highest."""
    middle = curve[1:-1]
    rise = (curve - np.minimum.accumulate(curve))[1:-1]
    clear = (middle > LEAST_STRENGTH_ELSEWHERE) & (rise > LEAST_RISE_ELSEWHERE)
    peaks = 1 + np.flatnonzero(clear & (middle > curve[:-2]) & (middle >= curve[2:]))
    peaks = peaks[(peaks > 1) & (peaks <= longest)]
    if not len(peaks):
        return None
    first = int(peaks[curve[peaks] >= 0.9 * curve[peaks].max()][0])
    # Noise splits the top of a long wave: the highest of the same hump counts.
    lag = first + int(np.argmax(curve[first : first + first // 2 + 1]))
    again = curve[2 * lag - lag // 4 : 2 * lag + lag // 4 + 1]
    return lag if len(again) and again.max() >= 0.5 * curve[lag] else None


def calendar_lags(frequency: str) -> tuple[int, ...]:
    """Steps in a minute, an hour, a day, a week, a year, where they are whole and above 1."""
    step = parse_frequency(frequency)
    if step.kind == "months":
        return (12 // step.step,) if step.step in (1, 2, 3, 4, 6) else ()
    if step.kind == "business":
        return (5, 261)
    if step.kind == "row":
        return ()
    minute = DAY // 1440
    cycles = (minute, 60 * minute, DAY, 7 * DAY)
    lags = [cycle // step.step for cycle in cycles if cycle % step.step == 0]
    return tuple(lag for lag in (*lags, round(365.25 * DAY / step.step)) if lag > 1)
