"""A fitted forecaster as what a run folder holds, and back, believing nothing on the way in."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import CovariateScaler, Grid, Panel, Scaler, Schema
from recurra.errors import RecurraError, RunFolderError
from recurra.tasks.forecast.baselines import NLinear
from recurra.tasks.forecast.intervals import LEVELS, Intervals
from recurra.tasks.forecast.learned import Learned
from recurra.tasks.forecast.setting import Setting
from recurra.tasks.forecast.split import Split
from recurra.train import load_weights

NETWORK = "network."


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
    try:
        return _from_run(found, tensors, folder)
    except RunFolderError:
        raise
    except (RecurraError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"{error!r}" if isinstance(error, KeyError) else f"{error}"
        raise RunFolderError(f"{folder}: damaged: {reason}") from error


def _from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    setting = Setting(**found["setting"])
    names = _texts(found["names"])
    if len(names) != setting.series:
        raise ValueError(f"{len(names)} names for {setting.series} series")
    S, K = setting.series, setting.past + setting.future
    arrays = _Arrays(tensors)
    network = load_weights(setting.build, arrays.network(), folder)
    return Learned(
        setting=setting,
        network=network,
        season=_whole(found["season"], "season", 1, setting.context + 10_000_000),
        split=Split(**{name: _whole(at, name) for name, at in found["split"].items()}),
        names=names,
        scaler=Scaler(names, arrays.take("scaler.mean", S), arrays.positive("scaler.std", S)),
        covariates=CovariateScaler(
            arrays.take("covariates.mean", K), arrays.positive("covariates.std", K)
        ),
        naive_scales=arrays.take("naive_scales", S),
        nlinear=NLinear(
            arrays.take("nlinear", setting.context + 1, setting.horizon, dtype=np.float32)
        ),
        intervals=Intervals(
            arrays.take("intervals.low", len(LEVELS), setting.horizon),
            arrays.take("intervals.high", len(LEVELS), setting.horizon),
        ),
        tail=_tail(found, arrays, setting),
    )


def _tail(found: dict[str, Any], arrays: "_Arrays", setting: Setting) -> Panel:
    names = _texts(found["tail_names"])
    schema = Schema.from_json(found["schema"])
    if (len(schema.past), len(schema.future)) != (setting.past, setting.future):
        raise ValueError("the covariates of the schema and of the setting differ in number")
    lengths = arrays.counts("tail.lengths", len(names))
    known = arrays.counts("tail.known", len(names))
    if (lengths < 1).any() or (known < lengths).any():
        raise ValueError("tail.lengths or tail.known do not fit")
    cuts, ahead = np.cumsum(lengths)[:-1], np.cumsum(known)[:-1]
    steps = int(lengths.sum())
    past = arrays.take("tail.past", steps, setting.past)
    future = arrays.take("tail.future", int(known.sum()), setting.future)
    return Panel(
        names=names,
        starts=arrays.take("tail.starts", len(names), dtype=np.int64),
        values=tuple(np.split(arrays.take("tail.values", steps), cuts)),
        past=tuple(np.split(past, cuts)),
        future=tuple(np.split(future, ahead)),
        past_names=schema.past,
        future_names=schema.future,
        grid=Grid(**found["grid"]),
        schema=schema,
        facts=(),
    )


class _Arrays:
    """The tensors of a run, each taken with the shape that it must have."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors

    def network(self) -> dict[str, Tensor]:
        """The weights, by the network's own names."""
        return {
            name.removeprefix(NETWORK): value
            for name, value in self._tensors.items()
            if name.startswith(NETWORK)
        }

    def take(self, name: str, *shape: int, dtype: type = np.float64) -> NDArray[Any]:
        """An array of this shape and type."""
        array: NDArray[Any] = self._tensors[name].numpy()
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.shape} {array.dtype}, not {shape}")
        return array

    def positive(self, name: str, *shape: int) -> NDArray[Any]:
        """An array of finite numbers above 0."""
        array = self.take(name, *shape)
        if not (np.isfinite(array) & (array > 0)).all():
            raise ValueError(f"{name} holds what is not above 0")
        return array

    def counts(self, name: str, size: int) -> NDArray[np.int64]:
        """Whole numbers from 0 to a million million."""
        array = self.take(name, size, dtype=np.int64)
        if ((array < 0) | (array > 10**9)).any():
            raise ValueError(f"{name} holds what is no length")
        return array


def _texts(value: object) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        raise ValueError("names are not a list of texts")
    return tuple(value)


def _whole(value: object, name: str, least: int = -(10**15), most: int = 10**15) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}")
    return value
