"""Two recordings of one step, on batches of different size: what differs must be the batch."""

from typing import Any

from recurra.engine.trace import BATCHES, Batch, Record, Recording, Ref
from recurra.engine.value import Size
from recurra.errors import StepError

AGAIN = "for another batch or at another time"


def merge_shapes(small: Recording, large: Recording) -> dict[int, tuple[Size, ...]]:
    """The shape of every tensor, with the batch in it.

    Raises:
        StepError: the step is not the same both times; with the first line that differs.
    """
    lines = {number: each.line for each in small.records for number in each.results}
    _same_deeds(small.records[: small.forward], large.records[: large.forward])
    for one, two in zip(_results(small), _results(large), strict=True):
        if one != two:
            line = lines.get(one) or lines.get(two, "what came in")
            raise StepError(f"{line}: the step gives the result of this; {AGAIN}, another")
    _same_deeds(small.records, large.records)
    shapes = {}
    for number, mine in small.shapes.items():
        other, line = large.shapes.get(number, ()), lines.get(number, "")
        if len(mine) != len(other):
            raise StepError(f"{line}: the step makes other shapes {AGAIN}")
        shapes[number] = tuple(_size(a, b, line) for a, b in zip(mine, other, strict=True))
    return shapes


def merge(mine: Record, other: Record) -> Record:
    """One operation, with the batch in its arguments.

    Raises:
        StepError: an argument is another one the other time.
    """
    arguments = _both(mine.arguments, other.arguments, mine)
    names = sorted(mine.named.keys() | other.named.keys())
    named = {key: _both(mine.named.get(key), other.named.get(key), mine) for key in names}
    return Record(mine.name, arguments, named, mine.results, mine.line, mine.call)


def _results(recording: Recording) -> list[int]:
    found = [number for kind in ("y", "state") for number in recording.outputs[kind]]
    return [number for number in found if number is not None]


def _deed(record: Record) -> str:
    count = len(record.results)
    return record.name if count == 1 else f"{record.name} into {count}"


def _same_deeds(small: list[Record], large: list[Record]) -> None:
    if [*map(_deed, small)] == [*map(_deed, large)]:
        return
    for mine, other in zip(small, large, strict=False):
        if _deed(mine) != _deed(other):
            instead = f"{_deed(other)} ({other.line})"
            raise StepError(f"{mine.line}: the step does {_deed(mine)}; {AGAIN}, {instead}")
        merge(mine, other)  # what differs before is the reason
    longer = max(small, large, key=len)[min(len(small), len(large))]
    raise StepError(f"{longer.line}: the step does {_deed(longer)}; {AGAIN}, nothing")


def _both(a: Any, b: Any, record: Record) -> Any:
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [_both(one, two, record) for one, two in zip(a, b, strict=True)]
    if a == b or (a != a and b != b):
        return a
    times = _times(a, b) if type(a) is int and type(b) is int else None
    if times is not None:
        return Batch(times)
    what = f"{a}; {AGAIN}, {b}"
    if any(isinstance(each, Ref | list) for each in (a, b)):
        what = f"other tensors {AGAIN}"
    raise StepError(f"{record.line}: {record.name} gets {what}")


def _size(a: int, b: int, line: str) -> Size:
    if a == b:
        return a
    times = _times(a, b)
    if times is None:
        raise StepError(f"{line}: a size is {a} for {BATCHES[0]} rows and {b} for {BATCHES[1]}")
    return Batch(times)


def _times(a: int, b: int) -> int | None:
    """How many times the batch two sizes are; None where they are no multiple of it."""
    times, rest = divmod(a, BATCHES[0])
    return None if rest or times * BATCHES[1] != b else times
