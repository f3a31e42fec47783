"""Columns of several files in one order."""

from collections.abc import Sequence

from recurra.data.signals.source import Raw
from recurra.data.table import listed
from recurra.errors import DataError


def aligned(raws: Sequence[Raw], expected: tuple[str, ...] | None) -> list[Raw]:
    """Examples whose columns are those of the first, in its order.

    Args:
        raws: examples as steps; of those whose columns have no names nothing is known.
        expected: the columns of a model, where there is one.

    Raises:
        DataError: names a file with other columns, where they are as many.
    """
    named = next((raw for raw in raws if raw.channels is not None), None)
    if named is None or named.channels is None:
        return list(raws)
    wanted = named.channels if expected is None else expected
    whose = f"those of {named.where} are" if expected is None else "the model learned from"
    return [_ordered(raw, wanted, whose) for raw in raws]


def _ordered(raw: Raw, wanted: tuple[str, ...], whose: str) -> Raw:
    own = raw.channels
    # Another number of columns is told for all files at once, by their widths.
    if own is None or own == wanted or len(own) != len(wanted):
        return raw
    if set(own) != set(wanted):
        raise DataError(f"{raw.where}: its columns are {listed(own)}; {whose} {listed(wanted)}")
    return raw._replace(steps=raw.steps[:, [own.index(name) for name in wanted]], channels=wanted)
