"""Strokes of a pen: points, and whether the pen is lifted behind each.

points      (T, 2) x, y; or (T, 3) with 1 where the pen is lifted behind the point
stroke-3    (T, 3) steps dx, dy from the point before, and the same third number
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from recurra.data.signals.arrays import as_steps
from recurra.errors import DataError

FORMS = ("points", "stroke-3")
CHANNELS = ("x", "y", "dx", "dy", "lifted")


def as_points(raw: Any, form: str, where: str) -> Float[np.ndarray, "T 3"]:
    """Points and whether the pen is lifted behind each, in float64; behind the last it is.

    Args:
        raw: (T, 2) or (T, 3), as above.
        form: one of `FORMS`.
        where: what errors call it.

    Raises:
        DataError: it is no such array, a number is missing, or a lift is neither 0 nor 1.
    """
    steps = as_steps(raw, where).astype(np.float64)
    widths = (2, 3) if form == "points" else (3,)
    if steps.shape[1] not in widths:
        fits = "x, y and maybe lifted" if form == "points" else "dx, dy, lifted"
        raise DataError(f"{where}: steps of {steps.shape[1]} numbers; {form} takes {fits}")
    holes = np.isnan(steps).any(axis=1)
    if holes.any():
        raise DataError(f"{where}: point {int(np.argmax(holes))} is missing; strokes have no holes")
    lifted = steps[:, 2] if steps.shape[1] == 3 else np.zeros(len(steps))
    wrong = ~np.isin(lifted, (0, 1))
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(f"{where}: point {place}: lifted is {lifted[place]:g}; it takes 0 or 1")
    places = steps[:, :2] if form == "points" else np.cumsum(steps[:, :2], axis=0)
    return np.column_stack([places, np.append(lifted[:-1], 1.0)])


def resample(points: Float[np.ndarray, "T 3"], count: int) -> Float[np.ndarray, "P 3"]:
    """Points at equal lengths along the ink; the way of a lifted pen has no length.

    Args:
        points: as `as_points` gives them. A stroke of one point has no length and vanishes,
            unless nothing else is there.
        count: of points, P.
    """
    drawn = np.flatnonzero(points[:-1, 2] == 0)
    ways = points[drawn + 1, :2] - points[drawn, :2]
    lengths = np.hypot(ways[:, 0], ways[:, 1])
    inked = lengths > 0
    drawn, ways, lengths = drawn[inked], ways[inked], lengths[inked]
    if not len(drawn):
        return np.column_stack([np.tile(points[0, :2], (count, 1)), np.arange(count) == count - 1])
    ends = np.cumsum(lengths)
    wanted = np.linspace(0, ends[-1], count)
    segment = np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)
    share = 1 - (ends[segment] - wanted) / lengths[segment]
    places = points[drawn[segment], :2] + np.clip(share, 0, 1)[:, None] * ways[segment]
    stroke = np.cumsum(np.append(0, points[:-1, 2]))[drawn[segment]]
    return np.column_stack([places, np.append(np.diff(stroke) > 0, True)])


def normalise(points: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 3"]:
    """Points moved and scaled, x and y by the same: the middle is 0, the longer side -1 … 1."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    size = float((high - low).max()) / 2
    places = (points[:, :2] - (low + high) / 2) / (size if size > 0 else 1.0)
    return np.column_stack([places, points[:, 2]])


def pen_features(points: Float[np.ndarray, "T 3"]) -> Float32[np.ndarray, "T 5"]:
    """`CHANNELS` of each point: where it is, the way from the one before, and the lift."""
    ways: NDArray[np.float64] = np.diff(points[:, :2], axis=0, prepend=points[:1, :2])
    return np.column_stack([points[:, :2], ways, points[:, 2]]).astype(np.float32)


def to_stroke_3(points: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 3"]:
    """Points as steps from the one before; the first from the origin."""
    ways = np.diff(points[:, :2], axis=0, prepend=np.zeros((1, 2)))
    return np.column_stack([ways, points[:, 2]])
