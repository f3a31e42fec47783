"""A fitted rewriter as what a run folder holds, and back, believing nothing on the way in."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from recurra.models import Seq2Seq
from recurra.tasks.damage import damaged
from recurra.tasks.rewriting.learned import Learned
from recurra.tasks.rewriting.measure import SCORING
from recurra.tasks.rewriting.memory import Memory
from recurra.tasks.rewriting.setting import Setting
from recurra.tasks.rewriting.sides import Sides
from recurra.train import load_weights

NETWORK, MEMORY = "network.", "memory."
KEYS = {"setting", "sides", "shown"}


def to_json(learned: Learned) -> dict[str, Any]:
    """The part of what was learned that is texts and small numbers."""
    return {
        "setting": asdict(learned.setting),
        "sides": learned.sides.to_json(),
        "shown": list(learned.shown),
    }


def to_tensors(learned: Learned) -> dict[str, Tensor]:
    """The weights, and the examples."""
    weights = {NETWORK + name: value for name, value in learned.network.state_dict().items()}
    examples = learned.memory.to_arrays()
    return weights | {MEMORY + name: torch.from_numpy(one.copy()) for name, one in examples.items()}


def from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path, kind: str) -> Learned:
    """What `to_json` and `to_tensors` wrote.

    Args:
        kind: of tokens that the task has.

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
    setting, sides = Setting(**found["setting"]), Sides.from_json(found["sides"])
    if sides.source.kind != kind or sides.copies != setting.copy:
        raise ValueError(f"tokens are {sides.source.kind}, not {kind}, or copied and not said so")
    weights = {name: value for name, value in tensors.items() if name.startswith(NETWORK)}
    memory = {name: value for name, value in tensors.items() if name.startswith(MEMORY)}
    if strange := sorted(set(tensors) - set(weights) - set(memory)):
        raise ValueError(f"{strange[0]} is no tensor of a {kind} rewriter")
    own = {name.removeprefix(NETWORK): value for name, value in weights.items()}
    return Learned(
        setting=setting,
        sides=sides,
        network=cast(Seq2Seq, load_weights(lambda: setting.build(sides), own, folder)),
        memory=_memory(memory, SCORING[kind].features),
        shown=_texts(found["shown"]),
    )


def _memory(tensors: dict[str, Tensor], features: str) -> Memory:
    arrays = {name.removeprefix(MEMORY): value.numpy() for name, value in tensors.items()}
    for name, array in arrays.items():
        if array.dtype != np.uint8 or array.ndim != 1:
            raise ValueError(f"{MEMORY}{name} is {array.shape} {array.dtype}, not a row of bytes")
    return Memory.from_arrays(arrays, features)


def _texts(value: object) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        raise ValueError("shown holds what is no text")
    return tuple(value)
