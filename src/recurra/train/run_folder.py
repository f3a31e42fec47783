"""A run folder: what was learned, in files that can be read anywhere and harm nobody.

    model.safetensors   the weights
    run.json            the task, its fields, what was learned from data, versions, metrics
    history.jsonl       one line an epoch
    checkpoint/         where the training can go on; there while it has not ended

It is written beside its place and renamed into it, so that a folder is either the old one or the
new one, whole. Reading trusts nothing: no pickle, no file outside the folder, limits on sizes.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from recurra import __version__
from recurra.errors import MissingFileError, RunFolderError, StorageError
from recurra.train.checkpoint import FOLDER as CHECKPOINTS
from recurra.train.checkpoint import checkpoint_file
from recurra.train.history import History, refuse_constant
from recurra.train.outline import outline
from recurra.train.swap import swap

FORMAT = 1
WEIGHTS, RUN, HISTORY = "model.safetensors", "run.json", "history.jsonl"
MOST_BYTES = {WEIGHTS: 4 << 30, RUN: 64 << 20, HISTORY: 64 << 20}
KEYS = {"format", "task", "fields", "learned", "measures", "data", "ended", "versions"}


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Args:
        task: a name in TASKS.
        fields: the estimator's fields, as JSON values.
        learned: what `fit` found in the data, as JSON values.
        tensors: the weights, and whatever else is too long for JSON.
        history: the epochs.
        measures: what was measured on held-out data, the model beside its baselines.
        data: where the data came from and its content hash.
        checkpoint: run folder whose checkpoint goes along, for a training that can go on.
    """

    task: str
    fields: dict[str, Any]
    learned: dict[str, Any]
    tensors: dict[str, Tensor]
    history: History
    measures: dict[str, Any]
    data: dict[str, str]
    checkpoint: Path | None = None


def free_folder(parent: Path, name: str) -> Path:
    """The first of `name-1`, `name-2`, … in `parent` that is not taken."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def save_run(run: Run, folder: Path, draw: Mapping[str, Callable[[Path], None]]) -> None:
    """Write a run folder, replacing one that is there only when the new one is whole.

    Anything else that stands at `folder` is left alone.

    Args:
        run: what to keep.
        folder: where to.
        draw: for each further file's name, what writes it to a path (plots).

    Raises:
        StorageError: the file system refused; what stood at `folder` before still does.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() and not _may_go(folder):
        raise StorageError(f"{folder}: no run folder, so it is left alone; choose another place")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        _fill(run, beside, draw)
        _exchange(beside, folder)
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _may_go(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    found = {path.name for path in folder.iterdir()}
    return RUN in found or found <= {CHECKPOINTS}


def _refused(folder: Path, error: OSError) -> StorageError:
    # A picture's own refusal names a file that is gone by now; what lies behind it counts.
    cause = error.__cause__ if isinstance(error, StorageError) else error
    reason = getattr(cause, "strerror", None) or cause
    return StorageError(
        f"{folder}: not saved, nothing there was changed: {reason}; "
        "make room or choose another place with --out"
    )


def _fill(run: Run, folder: Path, draw: Mapping[str, Callable[[Path], None]]) -> None:
    description = {
        "format": FORMAT,
        "task": run.task,
        "fields": run.fields,
        "learned": run.learned,
        "measures": run.measures,
        "data": run.data,
        "ended": run.history.ended,
        "versions": {"recurra": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
    # Tied weights share their memory, which the format does not know.
    whole = {name: tensor.detach().contiguous().clone() for name, tensor in run.tensors.items()}
    _write(folder / WEIGHTS, save(whole))
    _write(folder / RUN, json.dumps(description, indent=1, allow_nan=False).encode())
    _write(folder / HISTORY, "".join(run.history.lines()).encode())
    for name, picture in draw.items():
        picture(folder / name)
    if run.checkpoint is not None and checkpoint_file(run.checkpoint).is_file():
        checkpoint_file(folder).parent.mkdir()
        shutil.copy2(checkpoint_file(run.checkpoint), checkpoint_file(folder))
    folder.chmod(0o755)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _exchange(new: Path, place: Path) -> None:
    """Put `new` in the place of what is there, in one move where the system can.

    Elsewhere a folder already there steps aside first and returns on failure.
    """
    if not place.exists():
        new.rename(place)
        return
    if swap(new, place):
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name}.old.", dir=place.parent))
    old = aside / place.name
    try:
        place.rename(old)
        new.rename(place)
    except BaseException:  # Ctrl-C too must not cost the old run
        if old.exists():
            old.rename(place)
        raise
    finally:
        # Where neither rename brought a run back, the old one must stay to be found.
        if place.exists():
            shutil.rmtree(aside, ignore_errors=True)


def load_run(folder: Path, task: str | None = None) -> Run:
    """Read a run folder, believing none of it.

    Args:
        folder: where it is.
        task: the task that it must be of, or None for any.

    Raises:
        MissingFileError: no such folder, or no run in it.
        RunFolderError: damaged, of another task, or made to harm; the message names the file.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such run folder; `recurra train` makes one")
    if checkpoint_file(folder).is_file() and not (folder / RUN).exists():
        raise RunFolderError(
            f"{folder}: its training has not ended; `recurra train … --resume {folder}` goes on"
        )
    description = _description(folder)
    if task is not None and description["task"] != task:
        raise RunFolderError(
            f"{folder}: a run of the task {description['task']!r}, not of {task!r}"
        )
    tensors = _tensors(folder)
    return Run(
        task=description["task"],
        fields=description["fields"],
        learned=description["learned"],
        tensors=tensors,
        history=_history(folder, description["ended"]),
        measures=description["measures"],
        data=description["data"],
    )


def _read(folder: Path, name: str) -> bytes:
    """A file's bytes, if it is a plain file of a sane size that lies in the folder itself."""
    path = folder / name
    if path.is_symlink() and Path(os.path.realpath(path)).parent != folder.resolve():
        raise RunFolderError(f"{path}: leads out of the run folder")
    if not path.is_file():
        raise RunFolderError(f"{path}: missing; this is no run folder, or a damaged one")
    size = path.stat().st_size
    if size > MOST_BYTES[name]:
        raise RunFolderError(f"{path}: {size} bytes, more than the {MOST_BYTES[name]} allowed")
    return path.read_bytes()


def _description(folder: Path) -> dict[str, Any]:
    path = folder / RUN
    try:
        description = json.loads(_read(folder, RUN), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{path}: damaged: {error}") from error
    if not isinstance(description, dict) or set(description) != KEYS:
        found = sorted(description) if isinstance(description, dict) else type(description).__name__
        raise RunFolderError(f"{path}: has {found}; a run has {sorted(KEYS)}")
    if description["format"] != FORMAT:
        raise RunFolderError(
            f"{path}: format {description['format']!r}; this version reads {FORMAT}"
        )
    for key, kind in {"task": str, "ended": str}.items():
        if not isinstance(description[key], kind):
            raise RunFolderError(f"{path}: {key} is {description[key]!r}; it is a word")
    for key in ("fields", "learned", "measures", "data"):
        if not isinstance(description[key], dict):
            raise RunFolderError(f"{path}: {key} is {description[key]!r}; it is an object")
    return description


def _tensors(folder: Path) -> dict[str, Tensor]:
    content = _read(folder, WEIGHTS)
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise RunFolderError(f"{folder / WEIGHTS}: no safetensors file: {error}") from error


def _history(folder: Path, ended: str) -> History:
    try:
        return History.from_lines(_read(folder, HISTORY).decode().splitlines(), ended)
    except (ValueError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{folder / HISTORY}: damaged: {error}") from error


def load_weights(
    build: Callable[[], nn.Module], tensors: Mapping[str, Tensor], folder: Path
) -> nn.Module:
    """Build a model and give it weights, once their names and shapes are known to fit.

    The model is first built without memory, so that absurd sizes in a damaged `run.json` cost
    nothing.

    Raises:
        RunFolderError: names or shapes differ; the message names the first.
    """
    path = folder / WEIGHTS
    try:
        expected = outline(build).state_dict()
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise RunFolderError(f"{folder / RUN}: no model can be built: {error}") from error
    if odd := sorted(set(expected) ^ set(tensors)):
        raise RunFolderError(f"{path}: {odd[0]} is only in the {_side(odd[0], expected)}")
    for name, value in expected.items():
        given = tensors[name]
        if given.shape != value.shape or given.dtype != value.dtype:
            raise RunFolderError(
                f"{path}: {name} is {_shape(given)}; the fields in {RUN} ask for {_shape(value)}"
            )
        if not given.isfinite().all():
            raise RunFolderError(f"{path}: {name} holds what is no finite number")
    with torch.random.fork_rng(devices=[]):
        model = build()
    model.load_state_dict(dict(tensors))
    return model.eval()


def _side(name: str, expected: Mapping[str, Tensor]) -> str:
    return f"model that {RUN} describes" if name in expected else "file"


def _shape(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
