"""Probabilities that mean what they say: one answer of two, flattened until it fits.

    s_k = (1 - share) log softmax(network / T_n)_k + share log softmax(counts / T_c)_k
    p   = softmax(s / T)

Each temperature makes the log loss on the validation part smallest, the share does it among
twentieths. Targets are those of Platt, which keep a temperature finite where a few validated texts
are all answered rightly.

Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599, section 4.2
(temperature); Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2
(targets); Wolpert, "Stacked generalization", 1992, with one weight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
# Logarithms of the temperatures that are tried, and how often the range is narrowed.
COLDEST, HOTTEST, NARROWED = np.log(0.05), np.log(1e5), 60
GOLDEN = (5**0.5 - 1) / 2


def log_softmax(scores: Floats) -> Floats:
    """Logarithms of probabilities from scores, over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def softened(labels: Indices, classes: int) -> Floats:
    """Platt's targets, (N, K): a class of n texts of its own is right with (n + 1) / (n + K)."""
    n = np.bincount(labels, minlength=classes)[labels][:, None]
    targets = np.full((len(labels), classes), 1.0) / (n + classes)
    targets[np.arange(len(labels)), labels] = ((n + 1) / (n + classes))[:, 0]
    return targets


def temperature(scores: Floats, targets: Floats) -> float:
    """What the scores are best divided by.

    The loss is convex in 1 / T, so it falls and then rises in log T: a golden section finds where.

    Args:
        scores: (N, K)
        targets: (N, K) probabilities.
    """

    def loss(log_t: float) -> float:
        return _loss(log_softmax(scores / np.exp(log_t)), targets)

    low, high = COLDEST, HOTTEST
    for _ in range(NARROWED):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


@dataclass(frozen=True)
class Calibration:
    """How the scores of the network and of the counts become probabilities.

    Args:
        network: temperature of the network's scores.
        counts: temperature of the counts' scores.
        share: of the counts, 0 … 1.
        whole: temperature of the two together.
    """

    network: float
    counts: float
    share: float
    whole: float

    @classmethod
    def fit(cls, network: Floats, counts: Floats, labels: Indices) -> "Calibration":
        """From scores of texts that neither learned from; each (N, K)."""
        targets = softened(labels, network.shape[1])
        first = cls(temperature(network, targets), temperature(counts, targets), 0.0, 1.0)

        def blended(share: float) -> Floats:
            return cls(first.network, first.counts, share, 1.0).logarithms(network, counts)

        share = min(np.arange(21) / 20, key=lambda share: _loss(blended(share), targets))
        whole = temperature(blended(share), targets)
        return cls(first.network, first.counts, float(share), whole)

    def logarithms(self, network: Floats, counts: Floats) -> Floats:
        """Logarithms of probabilities, (N, K)."""
        learned = log_softmax(network / self.network)
        counted = log_softmax(counts / self.counts)
        return log_softmax(((1 - self.share) * learned + self.share * counted) / self.whole)


def _loss(logarithms: Floats, targets: Floats) -> float:
    return float(-(targets * logarithms).sum(axis=1).mean())
