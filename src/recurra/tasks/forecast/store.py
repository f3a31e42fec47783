"""A fitted forecaster as what a run folder holds, and back, believing nothing on the way in."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import CovariateScaler, Grid, Panel, ReadOptions, Scaler, Schema
from recurra.data.stamps import parse_stamps
from recurra.tasks.damage import damaged
from recurra.tasks.forecast.baselines import NLinear
from recurra.tasks.forecast.intervals import LEVELS, Intervals
from recurra.tasks.forecast.learned import Learned
from recurra.tasks.forecast.setting import Setting
from recurra.tasks.forecast.split import Split
from recurra.train import load_weights

NETWORK = "network."
# Farther from a grid's origin no step is believed.
MOST_STEPS = 10**12
KINDS: dict[str, tuple[type, ...]] = {
    "time_format": (str,),
    "series": (str, type(None)),
    "frequency": (str,),
    "resampled": (bool,),
    "missing": (str,),
    "on_duplicate": (str, type(None)),
}


def to_json(learned: Learned) -> dict[str, Any]:
    """The part of what was learned that is names and small numbers."""
    return {
        "setting": asdict(learned.setting),
        "schema": learned.tail.schema.to_json(),
        "grid": asdict(learned.tail.grid),
        "season": learned.season,
        "split": asdict(learned.split),
        "names": list(learned.names),
        "tail_names": list(learned.tail.names),
    }


def to_tensors(learned: Learned) -> dict[str, Tensor]:
    """The weights, and the part of what was learned that is long."""
    tail = learned.tail
    arrays = {
        "scaler.mean": learned.scaler.mean,
        "scaler.std": learned.scaler.std,
        "covariates.mean": learned.covariates.mean,
        "covariates.std": learned.covariates.std,
        "naive_scales": learned.naive_scales,
        "nlinear": learned.nlinear.weight,
        "intervals.low": learned.intervals.low,
        "intervals.high": learned.intervals.high,
        "tail.starts": np.asarray(tail.starts, np.int64),
        "tail.lengths": np.array([len(values) for values in tail.values], np.int64),
        "tail.known": np.array([len(rows) for rows in tail.future], np.int64),
        "tail.values": np.concatenate(tail.values),
        "tail.past": np.concatenate(tail.past),
        "tail.future": np.concatenate(tail.future),
    }
    weights = {NETWORK + name: value for name, value in learned.network.state_dict().items()}
    return weights | {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}


def from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    """What `to_json` and `to_tensors` wrote.

    Raises:
        RunFolderError: something is missing, of another kind, or does not fit the rest.
    """
    with damaged(folder):
        return _from_run(found, tensors, folder)


def _from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    setting = Setting(**found["setting"])
    names = _texts(found["names"])
    if len(names) != setting.series:
        raise ValueError(f"{len(names)} names for {setting.series} series")
    S, K = setting.series, setting.past + setting.future
    arrays = _Arrays(tensors)
    network = load_weights(setting.build, arrays.network(), folder)
    split = Split(
        **{name: _whole(at, name, -MOST_STEPS, MOST_STEPS) for name, at in found["split"].items()}
    )
    learned = Learned(
        setting=setting,
        network=network,
        season=_whole(found["season"], "season", 1, MOST_STEPS),
        split=split,
        names=names,
        scaler=Scaler(names, arrays.finite("scaler.mean", S), arrays.positive("scaler.std", S)),
        covariates=CovariateScaler(
            arrays.finite("covariates.mean", K), arrays.positive("covariates.std", K)
        ),
        naive_scales=arrays.known("naive_scales", S),
        nlinear=NLinear(
            arrays.finite("nlinear", setting.context + 1, setting.horizon, dtype=np.float32)
        ),
        intervals=Intervals(
            arrays.finite("intervals.low", len(LEVELS), setting.horizon),
            arrays.finite("intervals.high", len(LEVELS), setting.horizon),
        ),
        tail=_tail(found, arrays, setting),
    )
    if strange := arrays.rest():
        raise ValueError(f"{strange[0]} is no tensor of a forecaster")
    _check_span(learned)
    return learned


def _check_span(learned: Learned) -> None:
    """Every moment that an answer may name lies within the years 1 to 9999."""
    tail, split = learned.tail, learned.split
    ends = [int(start) + len(part) for start, part in zip(tail.starts, tail.values, strict=True)]
    steps = [int(tail.starts.min()), max(ends) + learned.setting.horizon, split.valid, split.end]
    stamps = tail.grid.stamps(np.array([*steps, split.test]))
    if stamps.dtype.kind == "M":
        years = stamps.astype("datetime64[Y]").astype(np.int64) + 1970
        if not ((years >= 1) & (years <= 9999)).all():
            raise ValueError("its dates lie outside the years 1 to 9999")


def _schema(found: dict[str, Any]) -> Schema:
    names = {field.name for field in fields(Schema)}
    if odd := sorted(set(found) ^ names):
        raise ValueError(f"schema: {odd[0]} is unknown or missing")
    for name, value in found.items():
        if name not in KINDS:
            _texts(value)
        elif type(value) not in KINDS[name]:
            raise ValueError(f"schema: {name} is {value!r}")
    schema = Schema.from_json(found)
    ReadOptions(missing=schema.missing, on_duplicate=schema.on_duplicate)
    if "%" in schema.time_format:
        parse_stamps(pd.Series(["no date"]), schema.time_format)
    return schema


def _grid(found: dict[str, Any]) -> Grid:
    grid = Grid(**found)
    _whole(grid.origin, "origin", -(2**62), 2**62)
    _whole(grid.day, "day", 1, 31)
    return grid


def _tail(found: dict[str, Any], arrays: "_Arrays", setting: Setting) -> Panel:
    names = _texts(found["tail_names"])
    if not names:
        raise ValueError("there is no series to go on from")
    schema = _schema(found["schema"])
    if (len(schema.past), len(schema.future)) != (setting.past, setting.future):
        raise ValueError("the covariates of the schema and of the setting differ in number")
    lengths = arrays.counts("tail.lengths", len(names))
    known = arrays.counts("tail.known", len(names))
    if (lengths < 1).any() or (known < lengths).any():
        raise ValueError("tail.lengths or tail.known do not fit")
    cuts, ahead = np.cumsum(lengths)[:-1], np.cumsum(known)[:-1]
    steps = int(lengths.sum())
    past = arrays.known("tail.past", steps, setting.past)
    future = arrays.known("tail.future", int(known.sum()), setting.future)
    starts = arrays.take("tail.starts", len(names), dtype=np.int64)
    values = arrays.known("tail.values", steps)
    if (np.abs(starts) > MOST_STEPS).any() or np.isnan(values[np.cumsum(lengths) - 1]).any():
        raise ValueError("tail.starts or tail.values do not fit")
    return Panel(
        names=names,
        starts=starts,
        values=tuple(np.split(values, cuts)),
        past=tuple(np.split(past, cuts)),
        future=tuple(np.split(future, ahead)),
        past_names=schema.past,
        future_names=schema.future,
        grid=_grid(found["grid"]),
        schema=schema,
        facts=(),
    )


class _Arrays:
    """The tensors of a run, each taken with the shape that it must have."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = {name: one for name, one in tensors.items() if not _of_network(name)}
        self._weights = {name: one for name, one in tensors.items() if _of_network(name)}
        self._taken: set[str] = set()

    def network(self) -> dict[str, Tensor]:
        """The weights, by the network's own names."""
        return {name.removeprefix(NETWORK): one for name, one in self._weights.items()}

    def rest(self) -> list[str]:
        """The names that nothing has asked for."""
        return sorted(set(self._tensors) - self._taken)

    def take(self, name: str, *shape: int, dtype: type = np.float64) -> NDArray[Any]:
        """An array of this shape and type."""
        array: NDArray[Any] = self._tensors[name].numpy()
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.shape} {array.dtype}, not {shape}")
        self._taken.add(name)
        return array

    def known(self, name: str, *shape: int) -> NDArray[Any]:
        """An array of finite numbers, NaN where one is missing."""
        array = self.take(name, *shape)
        if np.isinf(array).any():
            raise ValueError(f"{name} holds what is not finite")
        return array

    def finite(self, name: str, *shape: int, dtype: type = np.float64) -> NDArray[Any]:
        """An array of finite numbers."""
        array = self.take(name, *shape, dtype=dtype)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds what is not finite")
        return array

    def positive(self, name: str, *shape: int) -> NDArray[Any]:
        """An array of finite numbers above 0."""
        array = self.finite(name, *shape)
        if not (array > 0).all():
            raise ValueError(f"{name} holds what is not above 0")
        return array

    def counts(self, name: str, size: int) -> NDArray[np.int64]:
        """Whole numbers from 0 to a million million."""
        array = self.take(name, size, dtype=np.int64)
        if ((array < 0) | (array > 10**9)).any():
            raise ValueError(f"{name} holds what is no length")
        return array


def _of_network(name: str) -> bool:
    return name.startswith(NETWORK)


def _texts(value: object) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        raise ValueError("names are not a list of texts")
    return tuple(value)


def _whole(value: object, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}")
    return value
