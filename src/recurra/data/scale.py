"""Brings every series to mean 0 and standard deviation 1.

    z = (y - mean) / std

Each series has its own mean and std, taken from the part of it that may be learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each series.

    Args:
        names: one per series.
        mean: (S,) float64.
        std: (S,) float64, above 0.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        values: Sequence[np.ndarray],
        ends: Sequence[int] | np.ndarray | None = None,
    ) -> "Scaler":
        """Takes mean and std of the observed values.

        Args:
            names: one per series.
            values: (T,) each, NaN where missing.
            ends: for each series how many of its first steps count; all when None.
        """
        stops = [len(series) for series in values] if ends is None else [int(end) for end in ends]
        pairs = [measure(series[:end]) for series, end in zip(values, stops, strict=True)]
        mean, std = np.array(pairs, dtype=np.float64).reshape(len(pairs), 2).T
        return cls(tuple(names), mean, std)

    def for_series(self, names: Sequence[str], values: Sequence[np.ndarray]) -> "Scaler":
        """The scaler of some series: what was learned, and for unseen ones their own history."""
        known = {name: place for place, name in enumerate(self.names)}
        pairs = [
            (self.mean[known[name]], self.std[known[name]]) if name in known else measure(series)
            for name, series in zip(names, values, strict=True)
        ]
        mean, std = np.array(pairs, dtype=np.float64).reshape(len(pairs), 2).T
        return type(self)(tuple(names), mean, std)

    def transform(self, series: int, values: np.ndarray) -> np.ndarray:
        """Values of one series, given by its place, to scaled ones; any shape."""
        return np.asarray((values - self.mean[series]) / self.std[series])

    def inverse(self, series: int, values: np.ndarray) -> np.ndarray:
        """Scaled values of one series back to its unit; any shape."""
        return np.asarray(values * self.std[series] + self.mean[series])

    def to_json(self) -> dict[str, Any]:
        """The fields as plain lists."""
        return {"names": list(self.names), "mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Scaler":
        """The scaler that `to_json` wrote."""
        return cls(tuple(data["names"]), np.array(data["mean"]), np.array(data["std"]))


def measure(values: np.ndarray) -> tuple[float, float]:
    """Mean and std of what is observed; 0 and 1 of nothing, std 1 when all values are equal."""
    seen = values[~np.isnan(values)]
    if not len(seen):
        return 0.0, 1.0
    mean, std = float(seen.mean()), float(seen.std())
    # Rounding alone gives equal values a tiny spread.
    return mean, std if std > 1e-12 * max(1.0, abs(mean)) else 1.0
