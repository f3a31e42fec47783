"""Figures of what was said beside what is true: shares in percent, a correlation, an error."""

from collections.abc import Sequence

import numpy as np


def accuracy(true: Sequence[str], said: Sequence[str]) -> float:
    """The share that is right."""
    return 100 * float(np.mean(np.array(true) == np.array(said)))


def error(true: Sequence[str], said: Sequence[str]) -> float:
    """The share that is wrong."""
    return 100 - accuracy(true, said)


def macro_f1(true: Sequence[str], said: Sequence[str]) -> float:
    """The mean of F1 over the classes that there are, 0 for one that is never met."""
    t, s = np.array(true), np.array(said)
    hits = [(2 * np.sum((t == k) & (s == k)), np.sum(t == k) + np.sum(s == k)) for k in set(true)]
    return 100 * float(np.mean([twice / both for twice, both in hits]))


def matthews(true: Sequence[str], said: Sequence[str]) -> float:
    """The correlation of two classes, -1 to 1; 0 where only one is said."""
    t, s = np.array(true) == "1", np.array(said) == "1"
    if s.all() or not s.any() or t.all() or not t.any():
        return 0.0
    return float(np.corrcoef(t, s)[0, 1])


def rmse(true: Sequence[float], said: Sequence[float]) -> float:
    """The root of the mean squared difference."""
    return float(np.sqrt(np.mean((np.asarray(true) - np.asarray(said)) ** 2)))
