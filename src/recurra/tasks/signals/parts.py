"""Which sequences are learned from, which validate, and which are measured on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError
from recurra.tasks.classes.split import Parts, halves, stratified

Indices = NDArray[np.int64]


def divide(
    strata: Indices,
    groups: Sequence[str] | None,
    *,
    learned: int,
    seed: int,
    tested: bool,
) -> Parts:
    """Which sequences are in which part; no group is in two.

    Args:
        strata: (B,) which sequences are alike.
        groups: who each comes from.
        learned: how many are the user's to learn from; those behind them were given to be held
            out. All, where none were given.
        seed: of what is held out.
        tested: whether a part is held out to measure; otherwise the test part is the one that
            validates.

    Raises:
        DataError: there are too few, or a group is both in what is learned from and in what is held
            out.
    """
    if learned == len(strata):
        found = stratified(strata, seed, groups, "sequences")
        if tested:
            return found
        training = np.sort(np.concatenate([found.training, found.test]))
        return Parts(training, found.validation, found.validation)
    _check_groups(groups, learned)
    if tested:
        return halves(strata, learned, seed, groups, "sequences")
    held = np.arange(learned, len(strata))
    return Parts(np.arange(learned), held, held)


def _check_groups(groups: Sequence[str] | None, learned: int) -> None:
    if groups is not None and (both := set(groups[:learned]) & set(groups[learned:])):
        raise DataError(
            f'--valid: the group "{min(both)}" is also in what is learned from; a group stands '
            "in one of the two"
        )
