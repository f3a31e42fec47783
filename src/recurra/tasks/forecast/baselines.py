"""What a forecast must beat: the last value, the last season, and one linear map.

Each is given the windows of scaled data and answers in the same scale.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recurra.data import Windows

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

MOST_WINDOWS = 50_000
CHUNK = 4096
RIDGES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1)


class Baseline(Protocol):
    """Answers without having to be told about segments, cells or epochs."""

    def predict(self, windows: Windows, origins: Indices) -> Floats:
        """The horizon after each origin, (N, P), scaled."""


@dataclass(frozen=True)
class Naive:
    """Repeats the last value."""

    def predict(self, windows: Windows, origins: Indices) -> Floats:
        """The horizon after each origin, (N, P), scaled."""
        return np.repeat(windows.y[origins - 1][:, None], windows.horizon, axis=1)


@dataclass(frozen=True)
class SeasonalNaive:
    """Repeats the last season.

    Args:
        season: steps in a season.
    """

    season: int

    def predict(self, windows: Windows, origins: Indices) -> Floats:
        """The horizon after each origin, (N, P), scaled; where no season is known, the first."""
        ahead = np.arange(windows.horizon)
        back = ahead - self.season * (ahead // self.season + 1)
        floor = windows.offsets[windows.series(origins)][:, None]
        return windows.y[np.maximum(origins[:, None] + back, floor)]


@dataclass(frozen=True)
class NLinear:
    """One linear map from the context to the horizon, relative to the last value.

    Fitted in closed form by least squares with a ridge, the ridge chosen on the validation part.

    Args:
        weight: (L + 1, P), the last row an intercept.

    Source: Zeng et al., "Are Transformers Effective for Time Series Forecasting?", 2023,
    arXiv:2205.13504, section 4 (there by gradient descent).
    """

    weight: Floats

    @classmethod
    def fit(cls, windows: Windows, training: Indices, validation: Indices) -> "NLinear":
        """Learn from at most 50,000 of the training windows, spread evenly."""
        size = windows.context + 1
        gram, moment = np.zeros((size, size)), np.zeros((size, windows.horizon))
        for part in _chunks(_thinned(training)):
            x, last = _relative(windows, part)
            targets = windows.targets(part)
            change = targets.y - last
            full = targets.observed.all(axis=1)
            gram += x[full].T.astype(np.float64) @ x[full]
            moment += x[full].T.astype(np.float64) @ change[full]
        scale = np.trace(gram) / size or 1.0
        penalty = np.eye(size)
        penalty[-1, -1] = 1e-6  # the intercept is free; this only keeps an empty fit solvable
        candidates = [
            cls(np.linalg.solve(gram + ridge * scale * penalty, moment).astype(np.float32))
            for ridge in RIDGES
        ]
        held_out = _thinned(validation)
        return min(candidates, key=lambda one: one._loss(windows, held_out))

    def predict(self, windows: Windows, origins: Indices) -> Floats:
        """The horizon after each origin, (N, P), scaled."""
        parts = []
        for part in _chunks(origins):
            x, last = _relative(windows, part)
            parts.append(last + x @ self.weight)
        return np.concatenate(parts)

    def _loss(self, windows: Windows, origins: Indices) -> float:
        total = count = 0.0
        for part in _chunks(origins):
            targets = windows.targets(part)
            error = (self.predict(windows, part) - targets.y)[targets.observed]
            total, count = total + float((error**2).sum()), count + error.size
        return total / max(count, 1.0)


def _relative(windows: Windows, origins: Indices) -> tuple[Floats, Floats]:
    """Contexts relative to their last value with a 1 behind them, and those last values."""
    y = windows.at(origins).y
    last = y[:, -1:]
    return np.concatenate([y - last, np.ones_like(last)], axis=1), last


def _thinned(origins: Indices) -> Indices:
    return origins[:: max(1, -(-len(origins) // MOST_WINDOWS))]


def _chunks(origins: Indices) -> list[Indices]:
    return [origins[low : low + CHUNK] for low in range(0, len(origins), CHUNK)]
