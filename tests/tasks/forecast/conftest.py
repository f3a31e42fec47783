"""Windows over a few made-up series, shared by what is computed from windows."""

from collections.abc import Callable

import numpy as np
import pytest

from recurra.data import CovariateScaler, Grid, Panel, Scaler, Schema, Windows


@pytest.fixture(scope="session")
def windows_of() -> Callable[..., Windows]:
    """Windows over series given as numbers, unscaled."""

    def make(*values: np.ndarray, context: int, horizon: int) -> Windows:
        names = tuple(f"s{k}" for k in range(len(values)))
        panel = Panel(
            names=names,
            starts=np.zeros(len(values), np.int64),
            values=tuple(np.asarray(series, np.float64) for series in values),
            past=tuple(np.zeros((len(series), 0)) for series in values),
            future=tuple(np.zeros((len(series), 0)) for series in values),
            past_names=(),
            future_names=(),
            grid=Grid("D"),
            schema=Schema(("ds",), "iso", None, names),
            facts=(),
        )
        one = np.ones(len(values))
        scaler = Scaler(names, 0 * one, one)
        return Windows(panel, scaler, CovariateScaler(one[:0], one[:0]), context, horizon)

    return make
