"""What is held out: a tenth of each class to validate, a tenth to test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

Indices = NDArray[np.int64]
HELD_OUT = 0.1
# Texts of a class from which one can be spared for each part.
FEWEST = 3


class Parts(NamedTuple):
    """Numbers of texts, each ascending; no text is in two of them."""

    training: Indices
    validation: Indices
    test: Indices


def stratified(labels: Indices, seed: int) -> Parts:
    """A tenth of each class for validation and for test, at least one; none of fewer than three.

    Raises:
        DataError: no class has three texts.
    """
    random = np.random.default_rng(seed)
    parts: list[list[Indices]] = [[], [], []]
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        held = max(1, round(HELD_OUT * len(own))) if len(own) >= FEWEST else 0
        validation, test, training = np.split(own, [held, 2 * held])
        for part, some in zip(parts, (training, validation, test), strict=True):
            part.append(some)
    found = Parts(*(np.sort(np.concatenate(part)) for part in parts))
    if not len(found.validation):
        raise DataError(
            f"{len(labels)} texts, no class with {FEWEST}: none can be held out; it takes more"
        )
    return found


def halves(labels: Indices, count: int, seed: int) -> Parts:
    """The texts of `fit`, and those of `valid` behind them: half to validate, half to test.

    Args:
        labels: (N,) of all texts.
        count: texts that are learned from; the rest are those of `valid`.
        seed: of what is in which half.

    Raises:
        DataError: there are not two texts to halve.
    """
    random = np.random.default_rng(seed)
    first: list[Indices] = []
    second: list[Indices] = []
    for label in np.unique(labels[count:]):
        own = count + random.permutation(np.flatnonzero(labels[count:] == label))
        # Classes of an odd number give the odd text to either half in turn.
        middle = (len(own) + (len(first) % 2)) // 2
        first.append(own[:middle])
        second.append(own[middle:])
    validation, test = (np.sort(np.concatenate(half)) for half in (first, second))
    if not len(validation) or not len(test):
        raise DataError(f"--valid has {len(labels) - count} texts; it takes several of each class")
    return Parts(np.arange(count), validation, test)
