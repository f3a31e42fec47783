"""Long files answered while they are read: memory does not grow with their length."""

from pathlib import Path
from typing import Any

import pandas as pd

from recurra.tasks.signals.learned import Learned
from recurra.tasks.signals.stream import SequenceStream


def in_chunks(learned: Learned, data: Any) -> pd.DataFrame | None:
    """The answer to one file, as `Learned.frame` gives it.

    None where it is no such file, or the front end or the network takes it whole.

    Raises:
        DataError: the file cannot be read.
    """
    if not isinstance(data, str | Path) or not learned.network.streams:
        return None
    path = Path(data)
    if path.suffix.lower() not in learned.front.endings or not path.is_file():
        return None
    chunks = learned.front.chunks(path)
    if chunks is None:
        return None
    stream = SequenceStream(learned)
    for steps in chunks:
        stream.read(steps[None])
    return pd.DataFrame({"name": [path.stem], **learned.aim.columns(stream.answer())})
