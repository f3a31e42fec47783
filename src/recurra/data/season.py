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
AS_STRONG = 0.05
# How high a peak must be, and how far above the lowest point before it: what the calendar makes
# likely needs less, and the ripples of a slow decay are no season.
LEAST_STRENGTH, LEAST_RISE = 0.2, 0.05
LEAST_STRENGTH_ELSEWHERE, LEAST_RISE_ELSEWHERE = 0.3, 0.2


@dataclass(frozen=True)
class Season:
    """A lag in steps, and the autocorrelation there."""

    length: int
    strength: float


def find_season(values: Sequence[np.ndarray], frequency: str) -> Season | None:
    """The season that series share, or None.

    A lag of the calendar (24 and 168 of hours) is preferred where the autocorrelation has a local
    maximum; else the highest local maximum counts.

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
    # Every lag averages the series that hold two cycles of it.
    longest = max(len(curve) for curve in curves)
    padded = np.full((len(curves), longest), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    mean = np.nanmean(padded, axis=0)
    peaks = _peaks(mean)
    if not len(peaks):
        return None
    lag = _of_calendar(mean, peaks, calendar_lags(frequency))
    if lag is None:
        rise = mean - np.minimum.accumulate(mean)
        clear = (mean > LEAST_STRENGTH_ELSEWHERE) & (rise > LEAST_RISE_ELSEWHERE)
        peaks = peaks[clear[peaks]]
        if not len(peaks):
            return None
        lag = int(peaks[np.argmax(mean[peaks])])
    return Season(lag, float(mean[lag]))


def autocorrelation(series: np.ndarray) -> np.ndarray | None:
    """At lags 0 to T/2, or None where there is nothing to correlate."""
    series = series[-MOST_STEPS:]
    seen = ~np.isnan(series)
    if seen.sum() < 8:
        return None
    rest = _detrended(series, seen)
    size = 1 << (2 * len(series) - 1).bit_length()
    sums = np.fft.irfft(np.abs(np.fft.rfft(rest, size)) ** 2, size)[: len(series) // 2 + 1]
    pairs = np.fft.irfft(np.abs(np.fft.rfft(seen.astype(np.float64), size)) ** 2, size)
    pairs = np.maximum(np.round(pairs[: len(sums)]), 1)
    variance = sums[0] / pairs[0]
    if variance <= 1e-18 * max(1.0, float(np.nanmax(np.abs(series))) ** 2):
        return None
    return np.asarray(sums / pairs / variance)


def _detrended(series: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Less a parabola fitted to what is observed; 0 where missing."""
    time = np.linspace(-1, 1, len(series))
    basis = np.stack([np.ones_like(time), time, time**2], axis=1)
    weights, *_ = np.linalg.lstsq(basis[seen], series[seen], rcond=None)
    return np.where(seen, np.nan_to_num(series) - basis @ weights, 0.0)


def _peaks(curve: np.ndarray) -> np.ndarray:
    """Lags above 1 where the curve is higher than on both sides, and clearly so."""
    middle = curve[1:-1]
    rise = (curve - np.minimum.accumulate(curve))[1:-1]
    top = (middle > curve[:-2]) & (middle >= curve[2:])
    lags = np.flatnonzero(top & (middle > LEAST_STRENGTH) & (rise > LEAST_RISE)) + 1
    return lags[lags > 1]


def _of_calendar(curve: np.ndarray, peaks: np.ndarray, lags: Sequence[int]) -> int | None:
    """The calendar's lag with the highest peak near it; the shorter when as strong."""
    found: dict[int, float] = {}
    for lag in lags:
        near = peaks[np.abs(peaks - lag) <= max(1, round(0.02 * lag)) * (lag > 7)]
        if len(near) and lag < len(curve):
            found[lag] = float(curve[near].max())
    if not found:
        return None
    best = max(found.values())
    return min(lag for lag, height in found.items() if height >= best - AS_STRONG)


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
