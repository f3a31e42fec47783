"""Pairs to learn from, to validate on and to test on."""

from dataclasses import dataclass

from recurra.data import Pairs
from recurra.errors import DataError

# One of so many pairs validates, another one tests.
HELD_OUT = 20


@dataclass(frozen=True)
class Parts:
    """Pairs to learn from, to validate on, and to test on."""

    train: Pairs
    valid: Pairs
    test: Pairs


def divide(pairs: Pairs, valid: Pairs | None) -> Parts:
    """Hold out the last twentieths to validate and to test; of `valid` one half each.

    Raises:
        DataError: there are too few pairs.
    """
    if valid is not None:
        if len(valid) < 2:
            raise DataError(f"--valid has {len(valid)} pair; one validates, another one tests")
        half = len(valid) // 2
        return Parts(pairs, valid.part(0, half), valid.part(half, len(valid)))
    N = len(pairs)
    if N < 3:
        raise DataError(
            f"{pairs.name}: there are {N} pairs; it takes 3 to learn, validate and test"
        )
    held = max(1, N // HELD_OUT)
    return Parts(
        pairs.part(0, N - 2 * held), pairs.part(N - 2 * held, N - held), pairs.part(N - held, N)
    )
