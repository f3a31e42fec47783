"""Labels as the numbers of their classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.data.table import listed
from recurra.errors import DataError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
# Where one class has so many times the examples of another, the rare one counts more.
SKEW = 3.0


def numbers_of(labels: Sequence[str], classes: Sequence[str], name: str) -> Indices:
    """The number of each label.

    Args:
        classes: the labels that were learned, in their order.
        name: where the labels stand, for messages.

    Raises:
        DataError: a label was never learned.
    """
    numbers = {label: number for number, label in enumerate(classes)}
    if new := sorted(set(labels) - set(numbers)):
        raise DataError(
            f'{name}: the label "{new[0]}" was never learned; known are {listed(classes)}'
        )
    return np.array([numbers[label] for label in labels], np.int64)


def in_order(label: str) -> tuple[float, str]:
    """Numbers by their value, before words by their letters."""
    try:
        return float(label), label
    except ValueError:
        return np.inf, label


def class_weights(counts: Indices, how: str) -> Floats:
    """How much an example of each class counts, (K,); 1 on average over the examples.

    Args:
        counts: (K,) examples of each class, at least 1.
        how: "balanced", so that all classes count alike; "none"; "auto" for balanced where one
            class has more than three times the examples of another.
    """
    if how == "none" or (how == "auto" and counts.max() <= SKEW * counts.min()):
        return np.ones(len(counts))
    balanced: Floats = counts.sum() / (len(counts) * counts)
    return balanced
