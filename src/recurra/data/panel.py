"""Series on one regular grid of time."""

from dataclasses import dataclass

import numpy as np

from recurra.data.grid import Grid
from recurra.data.options import Schema


@dataclass(frozen=True)
class Panel:
    """Series on one regular grid of time; no array can be written to.

    Args:
        names: one per series.
        starts: (S,) int64, the grid index of each series' first value.
        values: per series (T,) float64, NaN where missing; the first and the last are observed.
        past: per series (T, K), covariates known up to now. Gaps hold the last value before them;
            what comes before a covariate's first value is NaN.
        future: per series (T + extra, K), covariates known ahead, filled likewise; they reach
            beyond the values when the table does.
        past_names: of the columns of `past`.
        future_names: of the columns of `future`.
        grid: between index and stamp.
        schema: which columns were read as what.
        facts: what was found, a line each.
    """

    names: tuple[str, ...]
    starts: np.ndarray
    values: tuple[np.ndarray, ...]
    past: tuple[np.ndarray, ...]
    future: tuple[np.ndarray, ...]
    past_names: tuple[str, ...]
    future_names: tuple[str, ...]
    grid: Grid
    schema: Schema
    facts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)
