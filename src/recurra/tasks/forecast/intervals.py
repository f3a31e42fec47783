"""Intervals that hold the truth as often as they say: adaptive conformal prediction.

The errors of held-out forecasts are kept, one set per step of the horizon, and an interval reaches
from the forecast by their lower and upper quantile. The two sides are separate, for errors are
often skewed. Errors are measured in units of the series' training deviation, so all series share
one set.

Times change, and yesterday's quantile may hold too little tomorrow. So the held-out stretch is
walked through in blocks of time, each judged by intervals from before it, as in use; what a block
missed too much or too little moves the quantile for the next:

    a_{k+1} = a_k + 0.5 (a - missed_k)        a = 1 - level

The shares held by the blocks are the measured coverage. The intervals that are kept are those of
all errors at the mean of the a_k: the last one alone would carry the luck of the last block.

Sources: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, section 4.1;
Gibbs and Candès, "Adaptive Conformal Inference Under Distribution Shift", 2021, arXiv:2106.00170,
equation 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.forecast.metrics import coverage

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]

LEVELS = (80, 95)
BLOCKS = 8
PACE = 0.5
LEAST_MISS, MOST_MISS = 0.005, 0.9
FEWEST_SCORES = 40


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
    def fit(cls, residuals: Floats, observed: Flags, misses: Mapping[int, float]) -> "Intervals":
        """Learn from held-out errors.

        Args:
            residuals: (N, P) true minus predicted, scaled.
            observed: (N, P) which of them are real.
            misses: for each level the share that may lie outside.
        """
        P = residuals.shape[1]
        low, high = np.empty((len(LEVELS), P)), np.empty((len(LEVELS), P))
        for step in range(P):
            scores = np.sort(_pooled(residuals, observed, step))
            for row, level in enumerate(LEVELS):
                # Ranks among n + 1 exchangeable scores, of which the next one is any.
                rank = int(np.ceil((1 - misses[level] / 2) * (len(scores) + 1))) - 1
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
        if len(scores) >= FEWEST_SCORES or reach >= residuals.shape[1]:
            return scores
        reach += 1


def calibrate(
    predicted: Floats, true: Floats, observed: Flags, times: Indices, begin: int
) -> tuple[Intervals, dict[int, float]]:
    """The intervals to keep, and the share that each level held on the way to them.

    Args:
        predicted: (N, P) scaled, of validation and test origins.
        true: (N, P) likewise.
        observed: (N, P) which true values are real.
        times: (N,) grid index of each origin.
        begin: grid index at which the test part begins.
    """
    P = predicted.shape[1]
    residuals = true - predicted
    misses = {level: 1 - level / 100 for level in LEVELS}
    walked = {level: [miss] for level, miss in misses.items()}
    held = dict.fromkeys(LEVELS, 0.0)
    total = 0
    moments = np.unique(times[times >= begin])
    for block in np.array_split(moments, min(BLOCKS, len(moments))):
        known = times + P <= block[0]
        judged = (times >= block[0]) & (times <= block[-1])
        intervals = Intervals.fit(residuals[known], observed[known], misses)
        count = int(observed[judged].sum())
        for level in LEVELS:
            low, high = intervals.around(predicted[judged], level)
            share = coverage(low, high, true[judged], observed[judged])
            held[level] += count * share
            moved = misses[level] + PACE * (share - level / 100)
            misses[level] = float(np.clip(moved, LEAST_MISS, MOST_MISS))
            walked[level].append(misses[level])
        total += count
    shares = {level: held[level] / max(1, total) for level in LEVELS}
    kept = {level: float(np.mean(misses)) for level, misses in walked.items()}
    return Intervals.fit(residuals, observed, kept), shares
