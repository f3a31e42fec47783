"""A plan in plain torch: the reference of the native run, and what runs where that cannot.

Rows are sorted by falling length and packed, so that every part outside the time loop runs once
over all rows of all steps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from recurra.engine.compute import RUN, Values, compute, settle
from recurra.engine.graph import OVER_ROWS, Node, ancestors
from recurra.engine.plan import Place, Plan
from recurra.engine.rows import Rows


@dataclass(frozen=True)
class Packed:
    """Rows by falling length, one step after another: at step t the first `sizes[t]` are alive.

    Args:
        order: (B,) which row of the batch stands where; None as they come.
        sizes: rows alive at each step, falling.
        row: (N,) the sorted row of every packed row.
        time: (N,) the step in the batch that a packed row is at.
    """

    order: Tensor | None
    sizes: list[int]
    row: Tensor
    time: Tensor

    @property
    def starts(self) -> list[int]:
        """Where each step begins among the packed rows."""
        return [0, *accumulate(self.sizes)]

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return self.sizes[0] if self.order is None else len(self.order)

    def sort(self, value: Tensor) -> Tensor:
        """(B, …) by falling length."""
        return value if self.order is None else value[self.order]

    def unsort(self, value: Tensor) -> Tensor:
        """(B, …) as the batch has it."""
        if self.order is None:
            return value
        return torch.empty_like(value).index_copy(0, self.order, value)

    def gather(self, value: Tensor) -> Tensor:
        """(B, T, …) as packed rows (N, …)."""
        return value[self._batch(), self.time]

    def scatter(self, value: Tensor, rows: Rows) -> Tensor:
        """Packed rows as (B, T, …), zeros elsewhere."""
        whole = value.new_zeros(rows.B, rows.T, *value.shape[1:])
        return whole.index_put((self._batch(), self.time), value)

    def _batch(self) -> Tensor:
        return self.row if self.order is None else self.order[self.row]


def pack(rows: Rows) -> Packed:
    """The packed rows of a batch."""
    lengths = torch.full((rows.B,), rows.T) if rows.lengths is None else rows.lengths
    alive = torch.arange(rows.T)[:, None] < lengths  # (T, B), by falling length
    time, row = alive.nonzero(as_tuple=True)
    at = lengths[row] - 1 - time if rows.reverse else time
    return Packed(rows.order, alive.sum(1).tolist(), row, at)


@dataclass
class Kept:
    """What the backward needs of a forward."""

    once: Values
    row: Values
    packed: Values
    x: list[Tensor]


def differentiable(
    plan: Plan,
    parameters: Sequence[Tensor],
    x: Sequence[Tensor],
    state: Sequence[Tensor],
    context: Sequence[Tensor],
    packed: Packed,
) -> tuple[Tensor, list[Tensor]]:
    """As `forward`, one step after another, for torch to differentiate as often as it likes."""
    given = {"parameter": parameters, "context": context, "x": x, "state": state}
    once = _leaves(plan, given, "parameter")
    row = _leaves(plan, given, "context") | _spread(plan, once, state, packed.rows)
    folded = _leaves(plan, given, "x")
    (y,) = plan.outputs("y")
    found, last = _loop(plan, {y}, folded, row, once, list(state), packed)
    return found[y], last


def forward(
    plan: Plan,
    parameters: Sequence[Tensor],
    x: Sequence[Tensor],
    state: Sequence[Tensor],
    context: Sequence[Tensor],
    packed: Packed,
) -> tuple[Tensor, list[Tensor], Kept]:
    """Outputs (N, …) of all packed rows, last states (B, …) and what is kept.

    Args:
        x: packed rows (N, …).
        state, context: sorted rows (B, …).
    """
    given = {"parameter": parameters, "context": context, "x": x, "state": state}
    once = _leaves(plan, given, "parameter")
    compute(plan.at(Place.ONCE), once)
    row = _leaves(plan, given, "context") | _spread(plan, once, state, packed.rows)
    computed = row | once
    compute(plan.at(Place.ROW), computed)
    row |= {node: computed[node] for node in plan.at(Place.ROW)}
    folded = _leaves(plan, given, "x")
    whole = _Folded(row, once, packed)
    (y,) = plan.outputs("y")
    wanted = [*plan.kept, y, *_crossing(plan, Place.STEP), *_crossing(plan, Place.AFTER)]
    before = {node for node in wanted if plan.places[node] is Place.BEFORE and node not in folded}
    whole.compute(before, folded)
    looped = {node for node in wanted if plan.places[node] is Place.STEP}
    histories, states = _loop(plan, looped, folded, row, once, list(state), packed)
    everything = folded | histories
    after = {node for node in (*plan.kept, y) if plan.places[node] is Place.AFTER}
    whole.compute(after, everything)
    kept = {node: everything[node] for node in plan.kept if node in everything}
    return everything[y], states, Kept(once, row, kept, list(x))


def _loop(
    plan: Plan,
    wanted: set[Node],
    folded: Values,
    row: Values,
    once: Values,
    state: list[Tensor],
    packed: Packed,
) -> tuple[Values, list[Tensor]]:
    leaves = {node.leaf.index: node for node in plan.order if _kind(node) == "state"}
    after = plan.outputs("state")
    found: dict[Node, list[Tensor]] = {node: [] for node in wanted}
    starts = packed.starts
    for t, alive in enumerate(packed.sizes):
        rows = slice(starts[t], starts[t] + alive)
        values = {node: value[rows] for node, value in folded.items()}
        values |= {node: value[:alive] for node, value in row.items()} | once
        values |= {node: state[k][:alive] for k, node in leaves.items()}
        compute([*wanted, *after], values)
        for node in wanted:
            found[node].append(values[node])
        state = [_write(old, values[new], alive) for old, new in zip(state, after, strict=True)]
    return {node: torch.cat(parts) for node, parts in found.items() if parts}, state


def _write(old: Tensor, new: Tensor, alive: int) -> Tensor:
    return new if alive == len(old) else torch.cat([new, old[alive:]])


def backward(
    plan: Plan, kept: Kept, dy: Tensor, dstate: Sequence[Tensor], packed: Packed
) -> dict[str, list[Tensor | None]]:
    """Gradients: dparameter, dx (packed rows), dstate and dcontext (sorted rows).

    Args:
        dy: packed rows (N, …).
        dstate: sorted rows (B, …), of the last states.
    """
    folded = dict(kept.packed)
    folded |= _leaves(plan, {"x": kept.x, "dy": [dy]}, "x", "dy")
    whole = _Folded(kept.row, kept.once, packed)
    dx = plan.outputs("dx")
    operands = [each for node in plan.order if node.op in OVER_ROWS for each in node.inputs]
    wanted = [*dx, *operands, *_crossing(plan, Place.BACK_STEP), *_crossing(plan, Place.BACK_AFTER)]
    early = [node for node in wanted if plan.places[node] is Place.BACK_BEFORE]
    whole.compute(early, folded)
    looped = {node for node in wanted if plan.places[node] is Place.BACK_STEP}
    histories, first, context = _loop_back(plan, looped, folded, kept, list(dstate), packed)
    everything = folded | histories
    whole.compute([*dx, *operands], everything)
    last = dict(kept.once)
    sums = {
        node: RUN[node.op](node, [everything[each] for each in node.inputs])
        for node in plan.at(Place.OVER)
    }
    outputs = plan.outputs("dparameter")
    settle(ancestors(outputs, last | sums), outputs, sums, last)

    def each(kind: str, values: Values) -> list[Tensor | None]:
        nodes = plan.step.outputs.get(kind, [])
        return [None if node is None else values[node] for node in nodes]

    return {
        "dparameter": each("dparameter", last),
        "dx": each("dx", everything),
        "dstate": first,
        "dcontext": context,
    }


def gradients(
    plan: Plan, kept: Kept, dy: Tensor, dlast: Sequence[Tensor], packed: Packed, rows: Rows
) -> list[Tensor | None]:
    """As `backward`, from and to tensors as the batch has them: parameters, x, state, context."""
    sorted_ = [packed.sort(each) for each in dlast]
    made = backward(plan, kept, packed.gather(dy), sorted_, packed)
    dx = [None if each is None else packed.scatter(each, rows) for each in made["dx"]]
    by_row = [
        None if each is None else packed.unsort(each)
        for each in (*made["dstate"], *made["dcontext"])
    ]
    return [*made["dparameter"], *dx, *by_row]


def _loop_back(
    plan: Plan, wanted: set[Node], folded: Values, kept: Kept, dstate: list[Tensor], packed: Packed
) -> tuple[Values, list[Tensor | None], list[Tensor | None]]:
    leaves = {node.leaf.index: node for node in plan.order if _kind(node) == "dstate"}
    outs = plan.step.outputs["dstate"]
    contexts = plan.step.outputs["dcontext"]
    sums: list[Tensor | None] = [None] * len(contexts)
    B = packed.rows
    found: dict[Node, list[Tensor]] = {node: [] for node in wanted}
    starts = packed.starts
    for t in reversed(range(len(packed.sizes))):
        alive = packed.sizes[t]
        rows = slice(starts[t], starts[t] + alive)
        values = {node: value[rows] for node, value in folded.items()}
        values |= {node: value[:alive] for node, value in kept.row.items()} | kept.once
        values |= {node: dstate[k][:alive] for k, node in leaves.items()}
        compute([*wanted, *(node for node in (*outs, *contexts) if node is not None)], values)
        for node in wanted:
            found[node].append(values[node])
        dstate = [
            _write(old, torch.zeros_like(old[:alive]) if new is None else values[new], alive)
            for old, new in zip(dstate, outs, strict=True)
        ]
        for k, part in enumerate(contexts):
            if part is not None:
                sums[k] = _accumulate(sums[k], values[part], B)
    stacked = {node: torch.cat(parts[::-1]) for node, parts in found.items() if parts}
    return stacked, list(dstate), sums


def _accumulate(total: Tensor | None, rows: Tensor, B: int) -> Tensor:
    total = rows.new_zeros(B, *rows.shape[1:]) if total is None else total
    return torch.cat([total[: len(rows)] + rows, total[len(rows) :]])


def _kind(node: Node) -> str:
    return node.leaf.kind if node.op == "leaf" else ""


def _leaves(plan: Plan, given: dict[str, Any], *kinds: str) -> Values:
    return {
        node: given[node.leaf.kind][node.leaf.index]
        for node in plan.order
        if node.op == "leaf" and node.leaf.kind in kinds
    }


def _spread(plan: Plan, once: Values, state: Sequence[Tensor], rows: int) -> Values:
    """What comes out the same in every row, as rows (B, …) of the state's type."""
    nodes = [
        node for node in plan.order if node.op == "expand" and node.rows and not node.inputs[0].rows
    ]
    found = dict(once)
    compute([node.inputs[0] for node in nodes], found)
    return {
        node: found[node.inputs[0]].to(state[0].dtype).expand(rows, *node.shape) for node in nodes
    }


def _crossing(plan: Plan, place: Place) -> list[Node]:
    """What the operations of a place read from others."""
    inside = set(plan.at(place))
    found = {each: None for node in inside for each in node.inputs if each not in inside}
    return list(found)


class _Folded:
    """Computes over all packed rows at once."""

    def __init__(self, row: Values, once: Values, packed: Packed) -> None:
        self.row, self.once, self.packed = row, once, packed

    def compute(self, targets: Iterable[Node], values: Values) -> None:
        """Put the targets among the values at hand."""
        missing = [node for node in targets if node not in values]
        if not missing:
            return
        rows = self.packed.row
        spread = {node: value[rows] for node, value in self.row.items()}
        found = values | spread | self.once
        compute(missing, found)
        values |= {node: found[node] for node in missing}
