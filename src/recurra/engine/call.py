"""Sequences made ready to run, and the forward of several at once."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from recurra.engine import native
from recurra.engine.machine import Machine, Task, blank
from recurra.engine.program import Packing
from recurra.engine.rows import Rows
from recurra.engine.traced import Traced, Wanted

Item = TypeVar("Item")
# A tile is not cut smaller: what has no more rows keeps one thread busy.
FEWEST_ROWS = 4


class Call(NamedTuple):
    """One sequence: what runs, and over which rows.

    Args:
        name: what a message calls the module.
        packing: of the matrices; half in inference alone.
    """

    traced: Traced
    rows: Rows
    name: str = ""
    packing: Packing = Packing.FULL

    def parts(self, listed: Sequence[Item]) -> list[list[Item]]:
        """One list a kind: parameters, x, state and context."""
        return split(listed, self.traced.counts)

    def wanted(self, needs: Sequence[bool]) -> Wanted:
        """Which gradients are asked for, from one truth a tensor."""
        known, said = self.traced.wanted, tuple(needs)
        if said not in known:
            parameters, x, _, context = self.parts(said)
            known[said] = Wanted(tuple(parameters), tuple(x), tuple(context))
        return known[said]


class Part(NamedTuple):
    """What becomes of a sequence: a job, or one for each part of its channels."""

    call: Call
    machine: Machine
    cut: int = 1

    @property
    def width(self) -> int:
        """Columns of y."""
        return int(self.machine.y_shape[0])


def forward(
    parts: Sequence[Part],
    tensors: Sequence[Tensor],
    kept: Sequence[Tensor | None],
    *,
    time_first: bool = False,
) -> tuple[Tensor, ...]:
    """The outputs of all parts side by side, and their last states.

    Args:
        tensors: of one part after another.
        kept: memory for the backward, one a part.
        time_first: the outputs lie step after step in memory, not row after row.
    """
    first = parts[0]
    rows, dtype = first.call.rows, first.machine.dtype
    if len(parts) == 1:
        y = blank((rows.B, rows.T, *first.machine.y_shape), dtype, time_first=time_first)
        task, _, last = first.machine.forward(tensors, rows, kept[0], y, first.cut)
        native.run(task.jobs, torch.get_num_threads())
        return (y, *last)
    width = sum(part.width for part in parts)
    y = blank((rows.B, rows.T, width), dtype, time_first=time_first)
    own = split(tensors, [sum(part.call.traced.counts) for part in parts])
    made = [
        part.machine.forward(mine, part.call.rows, memory, columns, part.cut)
        for part, mine, memory, columns in zip(parts, own, kept, columns_of(parts, y), strict=True)
    ]
    run_all(parts, [task for task, *_ in made])
    return (y, *(one for _, _, last in made for one in last))


def columns_of(parts: Sequence[Part], y: Tensor) -> tuple[Tensor, ...]:
    """Each part's own columns, as views."""
    return torch.split(y, [part.width for part in parts], dim=-1)


def run_all(parts: Sequence[Part], tasks: Sequence[Task]) -> None:
    """All in one call, where that keeps every thread busy; else one after another."""
    threads = torch.get_num_threads()
    calls = [task.jobs for task in tasks]
    if len(calls) > 1 and _alike(parts, threads):
        calls = [[job for jobs in calls for job in jobs]]
    for jobs in calls:
        native.run(jobs, threads)


def _alike(parts: Sequence[Part], threads: int) -> bool:
    """Whether tiles are alike, and share out evenly, where every job gets as many of them."""
    if threads == 1 or parts[0].call.rows.B <= FEWEST_ROWS:
        return True
    widths = {part.width for part in parts}
    return len(widths) == 1 and threads % len(parts) == 0


def split(listed: Iterable[Item], counts: Iterable[int]) -> list[list[Item]]:
    """One list a count."""
    each = iter(listed)
    return [list(islice(each, count)) for count in counts]
