"""From ordered rows to series: gaps become NaN, ends are trimmed, covariates filled."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recurra.data.rows import Rows


@dataclass(frozen=True)
class Series:
    """One series; the arrays are as in `Panel`."""

    name: str
    start: int
    values: np.ndarray
    past: np.ndarray
    future: np.ndarray

    @property
    def missing(self) -> int:
        """Steps without a value."""
        return int(np.isnan(self.values).sum())

    @property
    def constant(self) -> bool:
        """All observed values are equal; one value alone says nothing."""
        seen = self.values[~np.isnan(self.values)]
        return len(seen) > 1 and bool((seen == seen[0]).all())


def spread(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values on every step from the first index to the last, NaN where there was no row."""
    length = int(index[-1] - index[0]) + 1
    if length == len(values):
        return values
    whole = np.full(length, np.nan)
    whole[index - index[0]] = values
    return whole


def fill_forward(columns: np.ndarray) -> np.ndarray:
    """Each gap takes the last value before it; what comes before the first value stays NaN.

    Args:
        columns: (T, K).
    """
    steps = np.arange(len(columns))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(columns), 0, steps), axis=0)
    return np.take_along_axis(columns, last, axis=0)


def cut(
    rows: Rows,
    names: list[list[str]],
    targets: list[np.ndarray],
    past: list[np.ndarray],
    future: list[np.ndarray],
) -> Iterator[Series]:
    """Each series of each block of rows; without a value it has length 0.

    Args:
        rows: a block for each id of a long table; one block for a wide one.
        names: of the series, by block and target.
        targets: the columns, as `Rows.take` gives them; likewise `past` and `future`.
    """
    for block, (low, high) in enumerate(zip(rows.edges[:-1], rows.edges[1:], strict=True)):
        index = rows.index[low:high]
        known = _covariates([column[low:high] for column in past], index)
        ahead = _covariates([column[low:high] for column in future], index)
        for name, column in zip(names[block], targets, strict=True):
            values = spread(column[low:high], index)
            seen = ~np.isnan(values)
            first = int(np.argmax(seen)) if seen.any() else len(seen)
            end = len(seen) - int(np.argmax(seen[::-1]))
            after = None if future else end
            yield Series(
                name,
                int(index[0]) + first,
                frozen(values[first:end]),
                frozen(known[first:end]),
                frozen(ahead[first:after]),
            )


def _covariates(columns: list[np.ndarray], index: np.ndarray) -> np.ndarray:
    if not columns:
        return np.empty((int(index[-1] - index[0]) + 1, 0))
    return fill_forward(np.stack([spread(column, index) for column in columns], axis=1))


def frozen(values: np.ndarray) -> np.ndarray:
    """A view that cannot be written to."""
    view = values.view()
    view.flags.writeable = False
    return view
