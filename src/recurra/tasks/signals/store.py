"""A fitted model of sequences as what a run folder holds, and back, believing nothing of it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from recurra.data.signals import Header
from recurra.models import SequenceNetwork
from recurra.tasks.damage import damaged
from recurra.tasks.signals.aims import AIMS, Aim
from recurra.tasks.signals.baseline_store import from_parts, to_parts
from recurra.tasks.signals.fronts import FRONTS, Front
from recurra.tasks.signals.learned import Learned
from recurra.tasks.signals.report_store import report_from_json
from recurra.tasks.signals.sequence_store import from_arrays, to_arrays
from recurra.tasks.signals.setting import Setting
from recurra.tasks.signals.sources import make_front
from recurra.train import load_weights

NETWORK, SHOWN, BESIDE = "network.", "shown.", "baselines."
KEYS = {"setting", "front", "header", "aim", "shown", "baselines", "report"}


def to_json(learned: Learned) -> dict[str, Any]:
    """The part of what was learned that is texts and small numbers."""
    return {
        "setting": learned.setting.to_json(),
        "front": {"kind": learned.front.kind, "options": asdict(cast(Any, learned.front))},
        "header": learned.header.to_json(),
        "aim": {"kind": learned.aim.kind, "options": learned.aim.to_json()},
        "shown": list(learned.shown.names),
        "baselines": to_parts(learned.baselines)[0],
        "report": None if learned.report is None else learned.report.to_json(),
    }


def to_tensors(learned: Learned) -> dict[str, Tensor]:
    """The weights, and the part of what was learned that is long."""
    weights = {NETWORK + name: one for name, one in learned.network.state_dict().items()}
    shown = {SHOWN + name: one for name, one in to_arrays(learned.shown).items()}
    beside = {BESIDE + name: one for name, one in to_parts(learned.baselines)[1].items()}
    return weights | {
        name: torch.from_numpy(np.array(one)) for name, one in (shown | beside).items()
    }


def from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path, kind: str) -> Learned:
    """What `to_json` and `to_tensors` wrote.

    Args:
        kind: of what the task says of sequences.

    Raises:
        RunFolderError: something is missing, of another kind, or does not fit the rest.
    """
    with damaged(folder):
        return _from_run(found, tensors, folder, kind)


def _from_run(
    found: dict[str, Any], tensors: dict[str, Tensor], folder: Path, kind: str
) -> Learned:
    if odd := sorted(set(found) ^ KEYS):
        raise ValueError(f"{odd[0]} is unknown or missing")
    setting, header = Setting.from_json(found["setting"]), _header(found["header"])
    aim, front = _aim(found["aim"], kind), _front(found["front"])
    _check(setting, header, aim, front)
    parts = {part: _own(tensors, part) for part in (NETWORK, SHOWN, BESIDE)}
    if strange := sorted(name for name in tensors if not name.startswith(tuple(parts))):
        raise ValueError(f"{strange[0]} is no tensor of a model of sequences")
    arrays = {name: one.numpy() for name, one in parts[BESIDE].items()}
    return Learned(
        setting=setting,
        network=cast(SequenceNetwork, load_weights(setting.build, parts[NETWORK], folder)),
        front=front,
        header=header,
        aim=aim,
        shown=from_arrays(
            found["shown"], {name: one.numpy() for name, one in parts[SHOWN].items()}, header
        ),
        baselines=from_parts(
            found["baselines"], arrays, header, setting, classes=aim.classes is not None
        ),
        report=report_from_json(found["report"], aim.classes),
    )


def _own(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(part): one for name, one in tensors.items() if name.startswith(part)}


def _front(found: Mapping[str, Any]) -> Front:
    if found["kind"] not in FRONTS:
        raise ValueError(f"the front end is {found['kind']!r}; what fits: {', '.join(FRONTS)}")
    return make_front(found["kind"], dict(found["options"]))


def _aim(found: Mapping[str, Any], kind: str) -> Aim:
    if found["kind"] != kind:
        raise ValueError(f"{found['kind']!r} are said of sequences, not {kind}")
    return AIMS[kind].from_json(found["options"])


def _header(found: Mapping[str, Any]) -> Header:
    header = Header.from_json(found)
    names = [name for names in header.categories.values() for name in names]
    if not all(isinstance(name, str) for name in (*header.channels, *names)):
        raise ValueError("a channel or a category has a name that is no text")
    unit = header.unit
    if unit is not None and not (type(unit) is float and 0 < unit < np.inf):
        raise ValueError(f"the unit of time is {unit!r}")
    return header


def _features(front: Front, header: Header) -> tuple[str, ...]:
    """What a front end calls the channels; those of a table have names of their own."""
    if front.kind == "numbers":
        return header.channels
    try:
        return front.channels(len(header.channels))
    except StopIteration:
        return ()


def _check(setting: Setting, header: Header, aim: Aim, front: Front) -> None:
    """Whether the parts are of one model."""
    categories = tuple((at, len(names)) for at, names in sorted(header.categories.items()))
    strands = front.strands(setting.channels)
    told = {
        "channels": (setting.channels, len(header.channels)),
        "categories": (setting.categories, categories),
        "gaps": (setting.timed, header.unit is not None),
        "image": (setting.image, header.image),
        "outputs": (setting.outputs, aim.outputs),
        "strands": (setting.strands or strands, strands),
        "frames": (front.image(), header.image),
        "features": (_features(front, header), header.channels),
    }
    for name, (one, other) in told.items():
        if one != other:
            raise ValueError(f"{name}: the network has {one!r}, what stands beside it {other!r}")
