"""A fitted language model as what a run folder holds, and back, believing nothing on the way in."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from recurra.data import vocabulary_from_json
from recurra.errors import MissingFileError, RunFolderError
from recurra.models import LanguageNetwork
from recurra.tasks.damage import damaged
from recurra.tasks.language.learned import KEPT, Learned
from recurra.tasks.language.setting import Setting
from recurra.train import load_run, load_weights

NETWORK, TAIL = "network.", "tail"
KEYS = {"setting", "vocabulary", "separated"}
# Under both names stands one table, where it is tied.
TABLE, TIED = "body.layers.0.weight", "head.embedding.weight"


def to_json(learned: Learned) -> dict[str, Any]:
    """The part of what was learned that is names and small numbers."""
    return {
        "setting": asdict(learned.setting),
        "vocabulary": learned.vocabulary.to_json(),
        "separated": learned.separated,
    }


def to_tensors(learned: Learned) -> dict[str, Tensor]:
    """The weights, and the tokens that baselines count."""
    weights = {NETWORK + name: value for name, value in learned.network.state_dict().items()}
    return weights | {TAIL: torch.from_numpy(learned.tail.copy())}


def from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    """What `to_json` and `to_tensors` wrote.

    Raises:
        RunFolderError: something is missing, of another kind, or does not fit the rest.
    """
    with damaged(folder):
        return _from_run(found, tensors, folder)


def read_model(folder: str | Path, flag: str) -> Learned:
    """The language model in a run folder, for a fit that begins with it.

    Args:
        folder: where it is.
        flag: that named it.

    Raises:
        MissingFileError, RunFolderError: there is none, a damaged one, or one of another task.
    """
    folder = Path(folder)
    try:
        run = load_run(folder, "language")
        return from_run(run.learned, run.tensors, folder)
    except (MissingFileError, RunFolderError) as error:
        raise type(error)(f"{flag} takes the run folder of a language model; {error}") from error


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """Of names and numbers."""
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(name.encode() + weight.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _from_run(found: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Learned:
    if odd := sorted(set(found) ^ KEYS):
        raise ValueError(f"{odd[0]} is unknown or missing")
    setting, vocabulary = Setting(**found["setting"]), vocabulary_from_json(found["vocabulary"])
    if len(vocabulary) != setting.vocab_size:
        raise ValueError(f"{len(vocabulary)} tokens for a table of {setting.vocab_size}")
    if type(found["separated"]) is not bool:
        raise ValueError(f"separated is {found['separated']!r}")
    weights = {name: value for name, value in tensors.items() if name.startswith(NETWORK)}
    if strange := sorted(set(tensors) - set(weights) - {TAIL}):
        raise ValueError(f"{strange[0]} is no tensor of a language model")
    weights = {name.removeprefix(NETWORK): value for name, value in weights.items()}
    if setting.tied and not torch.equal(weights[TABLE], weights[TIED]):
        raise ValueError("the head is tied to a table that is another one")
    network = cast(LanguageNetwork, load_weights(setting.build, weights, folder))
    tail = _tail(tensors[TAIL], setting.vocab_size)
    return Learned(setting, vocabulary, network, found["separated"], tail.numpy())


def _tail(tail: Tensor, vocab_size: int) -> Tensor:
    if tail.ndim != 1 or tail.dtype != torch.int32 or not 1 <= len(tail) <= KEPT:
        raise ValueError(f"{TAIL} is {tuple(tail.shape)} {tail.dtype}, not 1 … {KEPT} of int32")
    if not bool(((tail >= 0) & (tail < vocab_size)).all()):
        raise ValueError(f"{TAIL} holds what is no token")
    return tail
