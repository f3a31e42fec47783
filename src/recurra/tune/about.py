"""What must be the same to go on with a study."""

import hashlib
from pathlib import Path
from typing import Any

from recurra.data import read_table
from recurra.tasks.estimator import fields_to_json
from recurra.tasks.files import are_files
from recurra.tune.space import Dimension
from recurra.tune.trial import Work

# Fields that change nothing of what is compared.
ASIDE = ("quiet", "checkpoint_minutes")


def about(work: Work) -> dict[str, Any]:
    """The task, hashes of the data, the fields that are fixed, and what is searched, as JSON."""
    searched = {dimension.name: _searched(dimension) for dimension in work.space}
    fixed = fields_to_json(work.estimator)
    return {
        "task": work.estimator.task,
        "data": _digest(work.data),
        "validation": _digest(work.valid),
        "fields": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fixed.items()
            if name not in (*searched, *ASIDE)
        },
        "search": searched,
    }


def _searched(found: Dimension) -> str:
    if not found.choices:
        return f"{found.low} … {found.high} from {found.own}"
    of = "" if found.of is None else f" of {found.of}"
    return ", ".join(map(str, found.choices)) + f"{of} from {found.own}"


def _digest(data: Any) -> str | None:
    """A hash of the bytes of a file or of several, or of a table's values.

    Raises:
        DataError: it is neither.
    """
    if data is None:
        return None
    if isinstance(data, list) and are_files(data):
        return " ".join(str(_digest(each)) for each in data)
    if isinstance(data, str | Path):
        with Path(data).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    frame = read_table(data, ()).frame
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()
