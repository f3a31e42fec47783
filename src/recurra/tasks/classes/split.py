"""What is held out: a tenth of each class to validate, a tenth to test; groups stay together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
HELD_OUT = 0.1
# Examples of a class from which one can be spared for each part.
FEWEST = 3
# Orders in which groups are dealt out; fewer where there are very many groups.
ORDERS, DEALT = 64, 40_000


class Parts(NamedTuple):
    """Numbers of examples, each ascending; no example is in two of them."""

    training: Indices
    validation: Indices
    test: Indices


def stratified(
    labels: Indices, seed: int, groups: Sequence[str] | None = None, what: str = "examples"
) -> Parts:
    """A tenth of each class for validation and for test, at least one; none of fewer than three.

    Of groups, none is split: as near to a tenth of each class as they allow.

    Args:
        labels: (N,) the class of each example; one for all where there are no classes.
        seed: of what is held out.
        groups: (N,) who each example comes from.
        what: the examples are, for messages.

    Raises:
        DataError: no class has three examples, or there are not enough groups.
    """
    random = np.random.default_rng(seed)
    if groups is not None:
        goals = np.array([1 - 2 * HELD_OUT, HELD_OUT, HELD_OUT])
        return Parts(*_dealt(labels, groups, goals, random, what))
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
            f"{len(labels)} {what}, no class with {FEWEST}: none can be held out; it takes more"
        )
    return found


def halves(
    labels: Indices,
    count: int,
    seed: int,
    groups: Sequence[str] | None = None,
    what: str = "examples",
) -> Parts:
    """The examples of `fit`, and those of `valid` behind them: half to validate, half to test.

    Args:
        labels: (N,) of all examples.
        count: examples that are learned from; the rest are those of `valid`.
        seed: of what is in which half.
        groups: (N,) who each example comes from; none of `valid` is split.
        what: the examples are, for messages.

    Raises:
        DataError: there are not two examples, or groups, to halve.
    """
    random = np.random.default_rng(seed)
    first: list[Indices] = []
    second: list[Indices] = []
    if groups is not None:
        goals = np.array([0.5, 0.5])
        one, two = _dealt(labels[count:], groups[count:], goals, random, f"{what} of --valid")
        return Parts(np.arange(count), count + one, count + two)
    for label in np.unique(labels[count:]):
        own = count + random.permutation(np.flatnonzero(labels[count:] == label))
        # Classes of an odd number give the odd example to either half in turn.
        middle = (len(own) + (len(first) % 2)) // 2
        first.append(own[:middle])
        second.append(own[middle:])
    validation, test = (np.sort(np.concatenate(half)) for half in (first, second))
    if not len(validation) or not len(test):
        raise DataError(f"--valid has {len(labels) - count} {what}; it takes several of each class")
    return Parts(np.arange(count), validation, test)


def _dealt(
    labels: Indices, groups: Sequence[str], goals: Floats, random: np.random.Generator, what: str
) -> list[Indices]:
    """The examples of each part: groups dealt out in many orders, the best deal kept.

    Each group goes where most is lacking. A part without a group, and a class that the first part
    has none of, count for more than any share.

    Args:
        goals: (P,) the share of each class that each part is to have.
    """
    names, of = np.unique(np.array(groups, object), return_inverse=True)
    if len(names) < len(goals):
        raise DataError(
            f"{len(labels)} {what} come from {len(names)} groups, and none may be split; it takes "
            f"{len(goals)} groups"
        )
    classes, numbers = np.unique(labels, return_inverse=True)
    shares = np.zeros((len(names), len(classes)))
    np.add.at(shares, (of, numbers), 1 / np.bincount(numbers)[numbers])
    orders = max(1, min(ORDERS, DEALT // len(names)))
    deals = [_deal(shares, goals, random.permutation(len(names))) for _ in range(orders)]
    best = min(deals, key=lambda deal: _amiss(shares, goals, deal))
    return [np.flatnonzero(best[of] == part) for part in range(len(goals))]


def _deal(shares: Floats, goals: Floats, order: Indices) -> Indices:
    """The part of each group, (G,)."""
    parts = np.zeros(len(order), np.int64)
    lacking = np.tile(goals[:, None], shares.shape[1])
    empty = np.ones(len(goals), bool)
    for place, group in enumerate(order):
        worth = lacking @ shares[group]
        if len(order) - place <= empty.sum():
            worth = np.where(empty, worth, -np.inf)
        part = int(worth.argmax())
        parts[group], empty[part] = part, False
        lacking[part] -= shares[group]
    return parts


def _amiss(shares: Floats, goals: Floats, parts: Indices) -> tuple[int, float]:
    """How many classes the first part has none of, and how far all shares are from the goals."""
    have = np.array([shares[parts == part].sum(axis=0) for part in range(len(goals))])
    return int((have[0] == 0).sum()), float(((have - goals[:, None]) ** 2).sum())
