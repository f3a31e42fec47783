"""Intervals that hold the truth as often as they say: split conformal prediction.

The errors of held-out forecasts are kept, one set per step of the horizon, and an interval reaches
from the forecast by their lower and upper quantile. The two sides are separate, for errors are
often skewed. Errors are measured in units of the series' training deviation, so all series share
one set.

Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, section 4.1;
Stankevičiūtė, Alaa and van der Schaar, "Conformal Time-Series Forecasting", 2021, section 3.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.forecast.metrics import coverage

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]

LEVELS = (80, 95)
BLOCKS = 8


@dataclass(frozen=True)
class Intervals:
    """How far an interval reaches from the forecast.

    Args:
        low: (2, P) the lower reach of each level in `LEVELS`, at each step; mostly negative.
        high: (2, P) the upper reach.
    """

    low: Floats
    high: Floats

    @classmethod
    def fit(cls, residuals: Floats, observed: Flags) -> Self:
        """Learn from held-out errors.

        Args:
            residuals: (N, P) true minus predicted, scaled.
            observed: (N, P) which of them are real.
        """
        P = residuals.shape[1]
        low, high = np.empty((len(LEVELS), P)), np.empty((len(LEVELS), P))
        for step in range(P):
            scores = np.sort(_pooled(residuals, observed, step))
            for row, level in enumerate(LEVELS):
                tail = (100 - level) / 200
                # Ranks of n + 1 exchangeable scores, of which the next one is any.
                rank = int(np.ceil((1 - tail) * (len(scores) + 1))) - 1
                rank = min(rank, len(scores) - 1)
                low[row, step] = scores[len(scores) - 1 - rank]
                high[row, step] = scores[rank]
        return cls(low, high)

    def around(self, predicted: Floats, level: int) -> tuple[Floats, Floats]:
        """Lower and upper bounds, scaled, for a level in `LEVELS`."""
        row = LEVELS.index(level)
        return predicted + self.low[row], predicted + self.high[row]


def _pooled(residuals: Floats, observed: Flags, step: int) -> Floats:
    """The scores of one step; where they are too few for 95 %, of its neighbours too."""
    reach = 0
    while True:
        near = slice(max(0, step - reach), step + reach + 1)
        scores = residuals[:, near][observed[:, near]]
        if len(scores) >= 40 or reach >= residuals.shape[1]:
            return scores
        reach += 1


def measured_coverage(
    predicted: Floats, true: Floats, observed: Flags, times: Indices, begin: int
) -> dict[int, float]:
    """Coverage on held-out origins, each block judged by intervals from before it.

    The origins from `begin` on are cut into blocks of time; each block's intervals are learned
    from those forecasts alone whose whole horizon had passed before the block began, as in use.

    Args:
        predicted: (N, P) scaled, of validation and test origins.
        true: (N, P) likewise.
        observed: (N, P) which true values are real.
        times: (N,) grid index of each origin.
        begin: grid index at which the test part begins.
    """
    P = predicted.shape[1]
    held_out = np.unique(times[times >= begin])
    hits = dict.fromkeys(LEVELS, 0.0)
    total = 0
    for block in np.array_split(held_out, min(BLOCKS, len(held_out))):
        known = times + P <= block[0]
        judged = (times >= block[0]) & (times <= block[-1])
        intervals = Intervals.fit((true - predicted)[known], observed[known])
        count = int(observed[judged].sum())
        total += count
        for level in LEVELS:
            low, high = intervals.around(predicted[judged], level)
            hits[level] += count * coverage(low, high, true[judged], observed[judged])
    return {level: hits[level] / max(1, total) for level in LEVELS}
