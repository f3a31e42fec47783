"""Files as an estimator is given them: one path, or a list of them."""

import os
from pathlib import Path
from typing import Any


def are_files(data: Any) -> bool:
    """Whether data is a path or several, and nothing that is in memory."""
    if isinstance(data, list):
        return bool(data) and all(isinstance(each, str | Path) for each in data)
    return isinstance(data, str | Path)


def everywhere(data: Any) -> Any:
    """The same files by names that hold in any folder; anything else as it is."""
    if not are_files(data):
        return data
    if isinstance(data, list):
        return [os.path.abspath(each) for each in data]
    return os.path.abspath(data)
