"""Examples as a file, a table or a list holds them, before a front end turns them into steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray


class Raw(NamedTuple):
    """One example.

    `name` is what it is called, and `where` what errors call it. `steps` is for a front end to
    turn. `answer` is its label or value; of each step, where steps have one. `times` are those of
    the steps, and `channels` their columns, where there are such.
    """

    name: str
    where: str
    steps: Any
    answer: Any = None
    group: Any = None
    times: NDArray[Any] | None = None
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Source:
    """Where examples come from.

    Args:
        name: of the file, for messages.
        raws: the examples, whose steps may be the path of a file that is still to be read.
        kind: of the front end that they look made for, where they tell.
        categories: as in `Sequences`.
        unit: of the times; empty where they are numbers without one.
        facts: what was found, a line each.
    """

    name: str
    raws: Sequence[Raw]
    kind: str | None = None
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    unit: str = ""
    facts: tuple[str, ...] = ()


def enumerated(names: Sequence[str], most: int = 5) -> str:
    """Names in quotes for a message: all, or the first ones and how many more."""
    shown = ", ".join(f'"{name}"' for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
