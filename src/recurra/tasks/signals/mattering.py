"""Which channels and steps mattered to an answer: integrated gradients.

    M_tf = (x_tf - b_f) ∫ ∂score(b + a (x - b)) / ∂x_tf da        a = 0 … 1

b is what stands for nothing: the training mean of each channel. All M together are the score of the
sequence less that of b (completeness). The integral is Gauss's quadrature, with more points as long
as that does not hold to a part in `PARTS`. What is missing stays missing on the whole path and
matters nothing.

Source: Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017,
arXiv:1703.01365, equation 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
# Points of the path at first and at most, how many are asked at once, and passages that are named.
POINTS, MOST_POINTS, AT_ONCE, NAMED = 64, 1024, 16, 5
PARTS = 100
# Runs of steps that are no further apart than a part of the length are one passage.
APART = 40


@dataclass(frozen=True)
class Passage:
    """Neighbouring steps of a channel that mattered.

    Args:
        channel: its name.
        first: the first of the steps, from 1 on.
        last: the last of them.
        share: of all that mattered, by size.
    """

    channel: str
    first: int
    last: int
    share: float

    def text(self) -> str:
        """As people read it: `channel accel_y, steps 31 … 48 (41 %)`."""
        steps = f"step {self.first}"
        if self.last > self.first:
            steps = f"steps {self.first} … {self.last}"
        return f"channel {self.channel}, {steps} ({self.share:.0%})".replace("%)", " %)")


@dataclass(frozen=True)
class Mattering:
    """What each value of one sequence added to a score.

    Args:
        values: (T, F) the sequence.
        added: (T, F) what each of its values added to the score.
        channels: (F,) names.
        score: of the sequence.
        without: the score where all that is there has its training mean.
    """

    values: NDArray[np.float32]
    added: Floats
    channels: tuple[str, ...]
    score: float
    without: float

    def passages(self, most: int = NAMED) -> list[Passage]:
        """The passages that mattered most, in the order of what they mattered."""
        size = np.abs(self.added)
        total = size.sum()
        if not total > 0:
            return []
        found = []
        for f, name in enumerate(self.channels):
            for first, last in _runs(size[:, f] > size.mean(), len(size) // APART):
                share = float(size[first : last + 1, f].sum() / total)
                found.append(Passage(name, first + 1, last + 1, share))
        return sorted(found, key=lambda passage: -passage.share)[:most]

    def text(self, most: int = NAMED) -> str:
        """The passages, a line each."""
        return "\n".join(passage.text() for passage in self.passages(most))


def mattering(
    scores: Callable[[Tensor, Tensor], Tensor],
    values: NDArray[np.float32],
    channels: tuple[str, ...],
    means: NDArray[np.floating],
    answer: int = 0,
    points: int | None = None,
) -> Mattering:
    """What each value of one sequence added to the score of an answer.

    Args:
        scores: of values (B, T, F) and lengths (B,) the scores (B, K), or values (B,); in
            evaluation mode, differentiable in the values.
        values: (T, F); NaN where something is missing.
        channels: (F,) names.
        means: (F,) what stands for nothing, in the unit of `values`; a channel of categories is
            best left at its own by the caller, who passes embedded values.
        answer: the score that is meant, 0 … K - 1.
        points: of the path; as many as completeness takes when not given.
    """
    x = torch.from_numpy(values.astype(np.float32))
    base = torch.where(x.isnan(), x, torch.from_numpy(means.astype(np.float32)))
    with torch.no_grad():
        score, without = _score(scores, torch.stack([x, base]), answer).tolist()
    count = points or POINTS
    while True:
        added = _added(scores, x, base, answer, count)
        off = abs(float(added.sum()) - (score - without))
        if points or count >= MOST_POINTS or PARTS * off <= abs(score - without):
            return Mattering(values, added, channels, score, without)
        count *= 4


def _added(
    scores: Callable[[Tensor, Tensor], Tensor], x: Tensor, base: Tensor, answer: int, points: int
) -> Floats:
    """The integral, (T, F), by so many points."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    summed = torch.zeros(x.shape, dtype=torch.float64)
    for low in range(0, points, AT_ONCE):
        part = slice(low, low + AT_ONCE)
        shares = torch.from_numpy((nodes[part] + 1) / 2).float()[:, None, None]
        path = (base + shares * (x - base)).requires_grad_()
        (gradient,) = torch.autograd.grad(_score(scores, path, answer).sum(), path)
        weight = torch.from_numpy(weights[part] / 2)[:, None, None]
        summed += (gradient.nan_to_num(0.0).double() * weight).sum(0)
    found: Floats = (summed * (x - base).nan_to_num(0.0)).numpy()
    return found


def _score(scores: Callable[[Tensor, Tensor], Tensor], path: Tensor, answer: int) -> Tensor:
    found = scores(path, torch.full((len(path),), path.shape[1]))
    return found if found.dim() == 1 else found[:, answer]


def _runs(there: NDArray[np.bool_], apart: int) -> list[tuple[int, int]]:
    """First and last places of neighbours that are set, across gaps of at most `apart`."""
    places = np.flatnonzero(there)
    if not len(places):
        return []
    cuts = np.flatnonzero(np.diff(places) > apart + 1) + 1
    return [(int(run[0]), int(run[-1])) for run in np.split(places, cuts)]
