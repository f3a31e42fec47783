"""All that a fitted forecaster knows, and how it answers from that."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from recurra.data import CovariateScaler, Panel, Scaler, Windows, tail
from recurra.tasks.forecast.baselines import NLinear
from recurra.tasks.forecast.intervals import LEVELS, Intervals
from recurra.tasks.forecast.metrics import naive_scale
from recurra.tasks.forecast.network import answer
from recurra.tasks.forecast.setting import Setting
from recurra.tasks.forecast.split import Split

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """What `fit` found and learned.

    Args:
        setting: shapes the network.
        network: in evaluation mode.
        season: steps in a season; 1 where none was found.
        split: what was held out.
        names: (S,) of the series learned from, in the network's numbering.
        scaler: mean and deviation of each of them.
        covariates: the same of each covariate.
        naive_scales: (S,) what MASE divides by.
        nlinear: the linear baseline.
        intervals: how far the intervals reach.
        tail: the last steps of every series, to predict from.
    """

    setting: Setting
    network: nn.Module
    season: int
    split: Split
    names: tuple[str, ...]
    scaler: Scaler
    covariates: CovariateScaler
    naive_scales: Floats
    nlinear: NLinear
    intervals: Intervals
    tail: Panel

    def numbers(self, panel: Panel) -> Indices:
        """The network's number of each series of a panel; -1 for one never seen."""
        known = {name: number for number, name in enumerate(self.names)}
        return np.array([known.get(name, -1) for name in panel.names], np.int64)

    def naive_scales_of(self, panel: Panel, numbers: Indices) -> Floats:
        """What MASE divides by, for each series of a panel."""
        scales = self.naive_scales[numbers]
        for s in np.flatnonzero(numbers < 0):
            scales[s] = naive_scale(panel.values[s], self.season)
        return scales

    def windows(self, panel: Panel, scaler: Scaler) -> Windows:
        """A panel's windows, scaled as the network expects."""
        setting = self.setting
        return Windows(panel, scaler, self.covariates, setting.context, setting.horizon)

    def forecast(self, panel: Panel) -> pd.DataFrame:
        """The horizon after the end of every series, with its intervals, in a long frame."""
        scaler = self.scaler.for_series(panel.names, panel.values)
        windows = self.windows(tail(panel, self.setting.context), scaler)
        predicted = answer(self.network, windows, windows.ends(), self.numbers(panel))
        return self._frame(panel, scaler, predicted)

    def _frame(self, panel: Panel, scaler: Scaler, predicted: Floats) -> pd.DataFrame:
        horizon = self.setting.horizon
        ends = panel.starts + np.array([len(values) for values in panel.values])
        steps = (ends[:, None] + np.arange(horizon)).ravel()
        mean, std = scaler.mean[:, None], scaler.std[:, None]
        columns = {
            "unique_id": np.repeat(np.array(panel.names, object), horizon),
            "ds": panel.grid.stamps(steps),
            "y_hat": (predicted * std + mean).ravel(),
        }
        for level in LEVELS:
            low, high = self.intervals.around(predicted, level)
            columns[f"lo-{level}"] = (low * std + mean).ravel()
            columns[f"hi-{level}"] = (high * std + mean).ravel()
        return pd.DataFrame(columns)
