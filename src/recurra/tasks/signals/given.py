"""What an estimator of sequences may be given: files, frames, arrays, with answers or without."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals import Examples
from recurra.errors import DataError

TYPES = {"i": "int", "u": "int", "f": "float", "b": "bool"}


def together(data: Any, y: Any, groups: Any) -> Any:
    """X, y and groups as one; a file or a frame as it is.

    Raises:
        DataError: groups have no y beside them.
    """
    data, y = plain(data), plain(y)
    if y is None and groups is None:
        return data
    if y is None:
        raise DataError("the arrays: groups are given and y is not; it takes fit(X, y, groups)")
    return (data, y) if groups is None else (data, y, groups)


def plain(data: Any) -> Any:
    """What only says how it becomes an array, such as a tensor, as one; anything else as it is.

    Raises:
        DataError: it is sparse.
    """
    if hasattr(data, "toarray"):
        raise DataError("the arrays: X is sparse, which is not supported; X.toarray() is dense")
    known = isinstance(data, np.ndarray | list | tuple | str) or hasattr(data, "columns")
    return np.asarray(data) if hasattr(data, "__array__") and not known else data


def are_arrays(data: Any) -> bool:
    """Whether it is a list or an array, and neither a file nor a frame."""
    return isinstance(data, list | np.ndarray) or (isinstance(data, tuple) and are_arrays(data[0]))


def check_answered(data: Any, name: str) -> None:
    """Refuse arrays without y.

    Raises:
        DataError: y is missing.
    """
    if are_arrays(data) and not (isinstance(data, tuple) and len(data) > 1):
        raise DataError(
            f"the arrays: {name} requires y to be passed, but the target y is None; it takes "
            "fit(X, y)"
        )


def type_of(data: Any) -> str:
    """What labels are: "int", "float", "bool", or "text" for all else, and for those of files.

    Raises:
        DataError: they are numbers that are not whole.
    """
    y = data[1] if isinstance(data, tuple) and len(data) > 1 else None
    if y is None or isinstance(y, str):
        return "text"
    labels = _flat(y)
    if labels.dtype.kind == "f" and not (labels == np.floor(labels))[np.isfinite(labels)].all():
        odd = labels[labels != np.floor(labels)][0]
        raise DataError(
            f"the arrays: y is continuous, such as {odd:g}; classes are texts or whole numbers, "
            "and numbers are learned by regress"
        )
    return TYPES.get(labels.dtype.kind, "text")


def _flat(y: Any) -> NDArray[Any]:
    """Labels one behind the other; an array of objects is looked into."""
    first = next(iter(y), None)
    if isinstance(first, list | tuple | np.ndarray):
        return np.concatenate([np.asarray(part) for part in y])
    found = np.asarray(y)
    return np.asarray(found.tolist()) if found.dtype.kind == "O" else found


def name_of(data: Any) -> str:
    """Of a file; of all else, what it is."""
    return Path(data).name if isinstance(data, str | Path) else type(data).__name__


def hash_of(examples: Examples) -> str:
    """Of sequences, answers and groups: the same for a file and the arrays read from it."""
    sequences, digest = examples.sequences, hashlib.sha256()
    for array in (sequences.values, sequences.offsets, sequences.gaps, examples.targets):
        part = b"" if array is None else np.ascontiguousarray(array).tobytes()
        digest.update(len(part).to_bytes(8, "little") + part)
    for texts in (examples.labels, examples.groups):
        for text in texts or ():
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()
