"""A training as it stands, in one file that is whole at every moment.

    RUN/checkpoint/latest.safetensors

holds the tensors (weights, the best weights, the optimizer's, means, what is carried from batch to
batch, random states) and in its header, as JSON, everything else. It is written beside its place,
flushed, and renamed into it; so is the folder, where there is none yet. Reading believes nothing.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from recurra.errors import MissingFileError, RunFolderError, StorageError
from recurra.train.history import refuse_constant

FORMAT = 1
FOLDER, FILE, PART = "checkpoint", "latest.safetensors", ".latest.part"
MOST_BYTES = 16 << 30
# The format begins with the length of its header, in so many bytes.
SIZE = 8


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Args:
        tensors: by names whose first part says what they belong to.
        facts: everything else, as JSON values.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors that belong to `name`, without it."""
        begin = f"{name}/"
        found = self.tensors.items()
        return {key.removeprefix(begin): value for key, value in found if key.startswith(begin)}


def under(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by the names that a checkpoint has for them."""
    return {
        f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()
    }


def of_rank(rank: int) -> str:
    """What stands before the names of a process's own tensors."""
    return f"rank{rank}/" if rank else ""


def checkpoint_file(run: Path) -> Path:
    """Where a run folder's checkpoint lies."""
    return run / FOLDER / FILE


def write_checkpoint(checkpoint: Checkpoint, run: Path) -> None:
    """Put a checkpoint in the place of the one before, in a run folder that may not be there yet.

    Raises:
        StorageError: the file system refused; the checkpoint before is as it was.
    """
    try:
        # One that moves in from elsewhere may be a view of something larger.
        tensors = {name: value.contiguous() for name, value in checkpoint.tensors.items()}
        header = {"recurra": json.dumps({"format": FORMAT, **checkpoint.facts}, allow_nan=False)}
        content = save(tensors, header)
        if run.exists():
            _write_into(run, content)
        else:
            _write_folder(run, content)
    except OSError as error:
        where = checkpoint_file(run)
        mend = "make room or choose another place with --out"
        if where.exists():
            mend = "the checkpoint before it is whole; make room, then go on with --resume"
        raise StorageError(
            f"{where}: no checkpoint written: {error.strerror or error}; {mend}"
        ) from error


def _write_into(run: Path, content: bytes) -> None:
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    try:
        _write(folder / FILE, content)
    except OSError:
        with suppress(OSError):
            folder.rmdir()  # where there is no checkpoint before, nothing stays behind
        raise


def _write_folder(run: Path, content: bytes) -> None:
    run.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{run.name}.", dir=run.parent))
    try:
        (beside / FOLDER).mkdir()
        beside.chmod(0o755)
        _write(beside / FOLDER / FILE, content)
        beside.rename(run)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    _flush(run.parent)


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(PART)
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    """A renamed file is only safe once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_checkpoint(run: Path) -> Checkpoint:
    """The checkpoint of a run folder.

    Raises:
        MissingFileError: there is none.
        RunFolderError: it is damaged, or of another version.
    """
    path = checkpoint_file(run)
    if not path.is_file():
        ended = "; its training has ended" if (run / "run.json").is_file() else ""
        raise MissingFileError(f"{run}: no checkpoint to go on from{ended}")
    if path.is_symlink() or path.stat().st_size > MOST_BYTES:
        raise RunFolderError(f"{path}: a link, or more than {MOST_BYTES} bytes")
    try:
        # At once: the next one may take its place at any moment.
        content = path.read_bytes()
        tensors = load(content)
        header = json.loads(content[SIZE : SIZE + int.from_bytes(content[:SIZE], "little")])
        facts = json.loads(header["__metadata__"]["recurra"], parse_constant=refuse_constant)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError, OSError) as error:
        raise RunFolderError(f"{path}: no checkpoint, or a damaged one: {error!r}") from error
    if not isinstance(facts, dict) or facts.pop("format", None) != FORMAT:
        raise RunFolderError(f"{path}: of another version; this one reads format {FORMAT}")
    return Checkpoint(tensors, facts)


def sweep(run: Path) -> None:
    """Clear away what writers that were killed have left beside and in a run folder."""
    for path in (*run.parent.glob(f".{run.name}.*"), run / FOLDER / PART):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
