"""Joints of a body over time: where it stands and how large it is taken out, its motion put in."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from recurra.data.signals.arrays import as_steps
from recurra.errors import DataError

AXES = "xyz"


def as_joints(raw: Any, dimensions: int, where: str) -> Float[np.ndarray, "T J D"]:
    """Places of J joints at each step, in float64; NaN where one was not seen.

    Args:
        raw: (T, J, D), or (T, J * D) with the coordinates of a joint side by side.
        dimensions: D, of a place.
        where: what errors call it.

    Raises:
        DataError: it is no such array.
    """
    shape = np.shape(raw) if isinstance(raw, np.ndarray) else ()
    if len(shape) == 3:
        if shape[2] != dimensions:
            raise DataError(
                f"{where}: places of {shape[2]} numbers; --dimensions says {dimensions}"
            )
        raw = raw.reshape(shape[0], shape[1] * shape[2])
    flat = as_steps(raw, where).astype(np.float64)
    if flat.shape[1] % dimensions:
        raise DataError(
            f"{where}: steps of {flat.shape[1]} numbers are no joints of {dimensions}; "
            "--dimensions says how many a place has"
        )
    return flat.reshape(len(flat), -1, dimensions)


def body_features(
    joints: Float[np.ndarray, "T J D"], centre: int, deltas: int, distances: bool
) -> Float32[np.ndarray, "T F"]:
    """Centred places, the motion over 1 … `deltas` steps, and maybe all distances.

    Places are seen from the body's centre, step by step; motion is that in space, so a walk from
    left to right is still one. All is divided by the body's size, the mean distance of a joint from
    the centre over the whole sequence.

    Args:
        joints: places.
        centre: the joint at the centre; below 0 the mean of all that are seen.
        deltas: over how many steps at most motion is looked at; 0 for none.
        distances: whether the distances of all pairs of joints are features too.
    """
    middle = _mean(joints, 1)[:, None] if centre < 0 else joints[:, centre : centre + 1]
    reach = np.sqrt(((joints - middle) ** 2).sum(axis=2))
    known = reach[~np.isnan(reach)]
    size = float(known.mean()) if known.size and known.mean() > 0 else 1.0
    scaled, steps = joints / size, len(joints)
    parts = [(joints - middle) / size]
    for lag in range(1, deltas + 1):
        moved = np.zeros_like(scaled)
        moved[lag:] = scaled[lag:] - scaled[:-lag]
        parts.append(moved)
    flat = [part.reshape(steps, -1) for part in parts]
    if distances:
        one, other = np.triu_indices(joints.shape[1], 1)
        flat.append(np.sqrt(((scaled[:, one] - scaled[:, other]) ** 2).sum(axis=2)))
    return np.concatenate(flat, axis=1).astype(np.float32)


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The mean of what is not NaN; NaN where nothing is."""
    seen = ~np.isnan(values)
    total = np.where(seen, values, 0.0).sum(axis=axis)
    count = seen.sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def body_channels(count: int, dimensions: int, deltas: int, distances: bool) -> tuple[str, ...]:
    """The names of the features of `count` joints."""
    places = [f"{joint + 1}{axis}" for joint in range(count) for axis in AXES[:dimensions]]
    names = list(places)
    for lag in range(1, deltas + 1):
        names += [f"{place} over {lag}" for place in places]
    if distances:
        names += [f"{i + 1} to {j + 1}" for i in range(count) for j in range(i + 1, count)]
    return tuple(names)
