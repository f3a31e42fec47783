"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from recurra.errors import StorageError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `path`, then rename it into place.

    A link stays a link to what is replaced; a device or a pipe is written to as it is.

    Raises:
        StorageError: the file system refused; what stood at `path` before still does.
    """
    beside = None
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            write(path)
            return
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        # The ending stays: it tells pandas and matplotlib the format.
        handle, name = tempfile.mkstemp(f".part{path.suffix}", f".{path.stem}.", path.parent)
        os.close(handle)
        beside = Path(name)
        write(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: not written, what was there is unchanged: {error.strerror or error}; "
            "make room or choose another place"
        ) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
