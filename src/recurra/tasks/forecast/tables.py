"""Tables as a forecaster is given them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recurra.data import Panel, ReadOptions, read_panel, read_table
from recurra.errors import DataError, OptionError
from recurra.tasks.parameters import Names

Table = str | Path | Any


def joined(data: Table, valid: Table, options: ReadOptions) -> tuple[Panel, int]:
    """One panel of both tables, and where the second one begins."""
    first = read_panel(data, options)
    second = read_panel(valid, schema=first.schema)
    if options.no_time:
        raise OptionError("--valid needs dates, to follow the data in time; drop --no-time")
    begin = first.grid.index(second.grid.stamps(second.starts)).min()
    ends = first.starts + np.array([len(values) for values in first.values])
    if begin < ends.max():
        raise DataError("--valid begins before the data ends; it must follow the data in time")
    frames = [read_table(part, options.na).frame for part in (data, valid)]
    panel = read_panel(pd.concat(frames, ignore_index=True), options)
    shift = panel.grid.index(first.grid.stamps(first.starts)).min() - first.starts.min()
    return panel, int(begin + shift)


def several(names: Names) -> tuple[str, ...]:
    """A single name may stand as it is; its letters are no names."""
    return (names,) if isinstance(names, str) else tuple(names)


def name_of(data: Table) -> str:
    """Of a file; of a frame, what it is."""
    return Path(data).name if isinstance(data, str | Path) else type(data).__name__


def hash_of(panel: Panel) -> str:
    """Of names, places and values: the same for a file and the frame read from it."""
    digest = hashlib.sha256("\n".join(panel.names).encode())
    digest.update(np.ascontiguousarray(panel.starts).data)
    for values in panel.values:
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
