"""Baselines as what a run folder holds, and back, believing nothing of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Header, Sequences
from recurra.tasks.signals.baselines import Baseline, Majority, Mean
from recurra.tasks.signals.linear import Linear
from recurra.tasks.signals.nearest import Nearest
from recurra.tasks.signals.sequence_store import from_arrays, to_arrays
from recurra.tasks.signals.setting import Setting
from recurra.tasks.signals.summaries import Standard

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
# Numbers of sequences to compare with that a run folder takes.
MOST_NUMBERS = 2_000_000


def worth_keeping(found: Sequence[Baseline]) -> tuple[Baseline, ...]:
    """Those that a run folder takes: not where they are very many numbers."""
    return tuple(
        one
        for one in found
        if not (isinstance(one, Nearest) and one.sequences.values.size > MOST_NUMBERS)
    )


def to_parts(found: Sequence[Baseline]) -> tuple[dict[str, Any], Arrays]:
    """What is small, and what is long."""
    told: dict[str, Any] = {}
    arrays: Arrays = {}
    for one in found:
        if isinstance(one, Majority):
            told["majority"], arrays["majority.shares"] = {}, one.shares
        elif isinstance(one, Mean):
            told["mean"] = {"value": one.value}
        elif isinstance(one, Linear):
            bounds = None if one.bounds is None else list(one.bounds)
            told["linear"] = {"bounds": bounds, "strength": one.strength}
            arrays["linear.weight"] = one.weight
            arrays |= _standard_arrays("linear", one.standard)
        elif isinstance(one, Nearest):
            told["nearest"] = {"names": list(one.sequences.names)}
            arrays["nearest.values"] = one.values
            arrays |= _standard_arrays("nearest", one.standard)
            arrays |= {f"nearest.of.{name}": a for name, a in to_arrays(one.sequences).items()}
    return told, arrays


def from_parts(
    told: Mapping[str, Any], arrays: Arrays, header: Header, setting: Setting, classes: bool
) -> tuple[Baseline, ...]:
    """What `to_parts` wrote.

    Raises:
        ValueError, TypeError, LookupError: something is missing, or does not fit the rest.
    """
    left, found = dict(arrays), []
    for kind, said in told.items():
        if (kind in ("majority", "mean") and (kind == "majority") != classes) or kind not in MAKE:
            raise ValueError(f"{kind!r} is no baseline of such a model")
        found.append(MAKE[kind](said, left, header, setting))
    if left:
        raise ValueError(f"{min(left)} is no tensor of a baseline")
    return tuple(found)


def _majority(said: Any, arrays: Arrays, header: Header, setting: Setting) -> Majority:
    del said, header
    return Majority(_taken(arrays, "majority.shares", setting.outputs), setting.per_step)


def _mean(said: Any, arrays: Arrays, header: Header, setting: Setting) -> Mean:
    del arrays, header
    return Mean(_number(said["value"]), setting.per_step)


def _linear(said: Any, arrays: Arrays, header: Header, setting: Setting) -> Linear:
    del header
    standard = _standard(arrays, "linear")
    weight = _taken(arrays, "linear.weight", len(standard.mean) + 1, setting.outputs)
    bounds = said["bounds"]
    if bounds is not None:
        low, high = bounds
        bounds = (_number(low), _number(high))
    return Linear(standard, weight, bounds, setting.per_step, _number(said["strength"]))


def _nearest(said: Any, arrays: Arrays, header: Header, setting: Setting) -> Nearest:
    standard = _standard(arrays, "nearest")
    own = {name: arrays.pop(name) for name in sorted(arrays) if name.startswith("nearest.of.")}
    plain = {name.removeprefix("nearest.of."): one for name, one in own.items()}
    sequences: Sequences = from_arrays(said["names"], plain, header)
    values = _taken(arrays, "nearest.values", len(sequences), setting.outputs)
    return Nearest(standard, sequences, values, setting.outputs > 1)


MAKE: dict[str, Any] = {
    "majority": _majority,
    "mean": _mean,
    "linear": _linear,
    "nearest": _nearest,
}


def _standard_arrays(name: str, standard: Standard) -> Arrays:
    return {f"{name}.mean": standard.mean, f"{name}.scale": standard.scale}


def _standard(arrays: Arrays, name: str) -> Standard:
    mean = _taken(arrays, f"{name}.mean", len(arrays[f"{name}.mean"]))
    scale = _taken(arrays, f"{name}.scale", len(mean))
    if not (scale > 0).all():
        raise ValueError(f"{name}.scale holds what is not above 0")
    return Standard(mean, scale)


def _taken(arrays: Arrays, name: str, *shape: int) -> Floats:
    found = arrays.pop(name)
    if found.dtype != np.float64 or found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"{name} is {found.shape} {found.dtype}; what fits is {shape}, finite")
    return found


def _number(value: object) -> float:
    if type(value) is not float or not np.isfinite(value):
        raise ValueError(f"{value!r} is no number of a baseline")
    return value
