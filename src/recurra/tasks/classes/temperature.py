"""Probabilities that mean what they say: scores, flattened until they fit.

    p = softmax(s / T)

The temperature makes the log loss on the validation part smallest. Targets are softened a little,
which keeps it finite where a few validated examples are all answered rightly.

Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599, section 4.2
(temperature). Softened targets: after Platt, "Probabilistic Outputs for Support Vector Machines",
1999, section 2.2, who softens by the examples of a class; with many classes of few examples each
that would leave nothing to be sure of.
"""

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
    """Targets (N, K) as if beside the N examples one more had been, of each class a K-th."""
    N = len(labels)
    return (N * np.eye(classes)[labels] + 1 / classes) / (N + 1)


def log_loss(logarithms: Floats, targets: Floats) -> float:
    """The mean of -log p where targets are probabilities, in nats; both are (N, K)."""
    return float(-(targets * logarithms).sum(axis=1).mean())


def temperature(scores: Floats, targets: Floats) -> float:
    """What the scores are best divided by.

    The loss is convex in 1 / T, so it falls and then rises in log T: a golden section finds where.

    Args:
        scores: (N, K)
        targets: (N, K) probabilities.
    """

    def loss(log_t: float) -> float:
        return log_loss(log_softmax(scores / np.exp(log_t)), targets)

    low, high = COLDEST, HOTTEST
    for _ in range(NARROWED):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return float(np.exp((low + high) / 2))
