"""How well probabilities tell classes.

    accuracy    share of examples whose likeliest class is theirs
    macro_f1    mean over classes of 2 tp / (2 tp + fp + fn)
    nats        mean of -log p of the true class
    ece         mean over 15 equal bins of confidence, by their examples, of |accuracy - confidence|

Source: expected calibration error: Guo et al., 2017, arXiv:1706.04599, section 2.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
BINS = 15
# What a probability of 0 for the true class counts as.
LEAST = 1e-12


def metrics(probabilities: Floats, labels: Indices) -> dict[str, float]:
    """All of them.

    Args:
        probabilities: (N, K)
        labels: (N,) the true class of each.
    """
    said = probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float((said == labels).mean()),
        "macro_f1": macro_f1(confusion(said, labels, probabilities.shape[1])),
        "nats": float(-np.log(of_truth.clip(LEAST)).mean()),
        "ece": calibration_error(probabilities, labels),
    }


def confusion(said: Indices, labels: Indices, classes: int) -> Indices:
    """How many examples of class i (row) were taken for class j (column), (K, K)."""
    flat = np.bincount(labels * classes + said, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def macro_f1(table: Indices) -> float:
    """The mean F1 of the classes that were there or were said; 1 where there is none."""
    right = np.diag(table)
    either = table.sum(axis=0) + table.sum(axis=1)
    there = either > 0
    return float((2 * right[there] / either[there]).mean()) if there.any() else 1.0


def calibration_error(probabilities: Floats, labels: Indices) -> float:
    """How far confidence is from accuracy, on average."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
