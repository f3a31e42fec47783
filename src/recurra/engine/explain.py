"""What the engine makes of a cell, in words that a reader can check.

    %4 = x @ weight_ih.T : 15

is the fourth operation and gives 15 numbers a row. What only says where numbers lie is written in
place: `%4[0:5]` are columns, `.T` is turned, `.view` has another shape.
"""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from recurra.engine import native
from recurra.engine.autograd import machine
from recurra.engine.emit import Emitted, emit
from recurra.engine.graph import Leaf, Node
from recurra.engine.listing import instructions
from recurra.engine.operations import OPERATIONS
from recurra.engine.place import NotNativeError
from recurra.engine.plan import Place
from recurra.engine.program import Kind, Phase
from recurra.engine.segments import BACKWARD, Segments
from recurra.engine.shared import taken
from recurra.engine.traced import Traced, Wanted, tensors_of, traced
from recurra.engine.tree import Tree, dtype_of, leaves
from recurra.engine.words import Words, part, size
from recurra.errors import UnsupportedError

OBSCURE = ("sigmoid_grad", "tanh_grad")


@runtime_checkable
class Stepping(Protocol):
    """What is asked of a cell."""

    input_size: int

    def step(self, x: Any, state: Any, context: Any = None) -> tuple[Tensor, Any]: ...

    def initial_state(self, batch_size: int) -> Any: ...

    def sample_context(self, batch_size: int) -> Any: ...


def explain(cell: Stepping, x: Tree = None, state: Tree = None, context: Tree = None) -> str:
    """A report on one step of a cell: what is computed when, what is kept, what runs natively.

    Args:
        x: an example (B, T, …) of the inputs; zeros (1, 1, F) when not given.
        state: an example; the initial state when not given.
        context: an example; sampled when not given.

    Raises:
        StepError: the step mixes rows, or looks at values.
    """
    if not isinstance(cell, nn.Module) or not isinstance(cell, Stepping):
        raise UnsupportedError(f"explain: got a {type(cell).__name__}, a cell with a step fits")
    state = cell.initial_state(1) if state is None else state
    x = _zeros(cell, state) if x is None else x
    rows = len(leaves(x)[0])
    shared, context = taken(cell.sample_context(rows) if context is None else context)
    weights = {**tensors_of(cell), **shared}
    found: Traced | str | None = _unfit(x, state, context)
    if found is None:
        step = type(cell).step
        found = traced(cell, step, weights, x, state, context)
    if isinstance(found, str):
        return f"{type(cell).__name__} runs in plain torch, as it is written: {found}\n"
    names = _names(weights, x, state, context)
    return _Report(type(cell).__name__, found, names, weights, dtype_of(state, x)).text()


def _zeros(cell: Stepping, state: Tree) -> Tensor:
    dtype = leaves(state)[0].dtype if leaves(state) else None
    shape = getattr(cell, "x_shape", None) or (cell.input_size,)
    return torch.zeros(1, 1, *shape, dtype=dtype)


def _unfit(x: Tree, state: Tree, context: Tree) -> str | None:
    """What `run` asks of its tensors before it traces."""
    held, dtype = leaves(state), dtype_of(state, x)
    if 0 in leaves(x)[0].shape[:2]:
        return "the example has no rows or no steps"
    for each in (*leaves(x), *held, *leaves(context)):
        if each.device.type != "cpu" or type(each) not in (Tensor, nn.Parameter):
            return "not all tensors are plain ones on the CPU"
        if each.dtype not in (dtype, torch.bool):
            return f"{each.dtype} stands beside {dtype}"
    if any(each.dtype != dtype for each in held):
        return "its states are of different types"
    if dtype not in (torch.float32, torch.float64):
        return f"its state is {dtype}; float32 and float64 run natively"
    return None


def _names(weights: dict[str, Tensor], x: Tree, state: Tree, context: Tree) -> dict[Leaf, str]:
    listed = {"parameter": list(weights), "dy": ["dy"]}
    for kind, tree in (("x", x), ("state", state), ("context", context)):
        listed[kind] = _paths(tree, kind)
    listed["dstate"] = [f"d{name}'" for name in listed["state"]]
    return {Leaf(kind, k): name for kind, names in listed.items() for k, name in enumerate(names)}


def _paths(tree: Tree, name: str) -> list[str]:
    """What a reader calls each tensor of a tree."""
    if not isinstance(tree, tuple):
        return [] if tree is None else [name]
    fields = getattr(tree, "_fields", None)
    inner = [f"{name}.{each}" for each in fields] if fields else [f"{name}[{k}]" for k in range(9)]
    return [found for one, each in zip(tree, inner, strict=False) for found in _paths(one, each)]


class _Report:
    """Writes the report of one cell, part by part."""

    def __init__(
        self,
        name: str,
        found: Traced,
        names: dict[Leaf, str],
        weights: dict[str, Tensor],
        dtype: torch.dtype,
    ) -> None:
        self.name, self.found, self.names, self.dtype = name, found, names, dtype
        step = found.step.outputs
        self.wanted = Wanted(
            tuple(each.requires_grad for each in weights.values()),
            tuple(True for _ in step["dx"]),
            tuple(True for _ in step["dcontext"]),
        )
        self.plan = found.plan(self.wanted)
        self.segments = Segments(self.plan, training=True)
        self.words = Words(self.plan, names)

    def text(self) -> str:
        """All of it."""
        double = self.dtype == torch.float64
        try:
            emitted = emit(self.plan, training=True, double=double)
        except NotNativeError:
            emitted = None  # the first part says why
        kept = self._kept(emitted)
        parts = [self._runs(), *self._forward(), kept, *self._backward(), self._legend()]
        parts += [] if emitted is None else instructions(emitted, self.words)
        return "\n".join(each for each in parts if each)

    def _runs(self) -> str:
        inference, training = self._reason(None), self._reason(self.wanted)
        how = f"natively, {str(self.dtype).removeprefix('torch.')}, {native.level()}"
        plain = "in plain torch, as it is written"
        lines = [
            f"inference  {how if inference is None else f'{plain}: {inference}'}",
            f"training   {how if training is None else f'in torch, by this plan: {training}'}",
        ]
        return part(self.name, lines)

    def _reason(self, wanted: Wanted | None) -> str | None:
        try:
            machine(self.found, self.dtype, wanted)
        except NotNativeError as reason:
            return str(reason)
        return None

    def _forward(self) -> list[str]:
        nodes = self.segments.nodes
        results = self._results("y", "state")
        return [
            self._operations(
                "once a call: the parameters alone decide it", self.plan.at(Place.ONCE)
            ),
            self._operations("once a row: the context alone decides it", self.plan.at(Place.ROW)),
            self._operations(
                "before the loop, over many steps at once: no state is needed",
                nodes[Phase.F_BEFORE],
            ),
            self._operations("in the loop, step after step", nodes[Phase.F_STEP]),
            self._operations(
                "after the loop, over many steps at once: no state needs it", nodes[Phase.F_AFTER]
            ),
            part("results of a step", results),
        ]

    def _kept(self, emitted: Emitted | None) -> str:
        states = set(self.plan.outputs("state"))
        lines, floats = [], 0
        for node in self.plan.kept:
            text = f"{self.words.value(node)} : {size(node.shape)}"
            if node.op == "leaf" and node.leaf.kind == "x":
                lines.append(f"{text}, at hand: it was given")
                continue
            floats += node.width
            is_state = node in states or (node.op == "leaf" and node.leaf.kind == "state")
            lines.append(f"{text}, a state" if is_state else text)
        if emitted is not None:
            buffers = emitted.program.buffers
            memory = [b for b in buffers if b.kind in (Kind.KEPT, Kind.HISTORY) and b.alias < 0]
            held = sum(b.width for b in memory)
            lines.append(f"with what the backward writes for its sums: {held} floats")
        return part(f"kept for the backward: {floats} floats a row and step", lines)

    def _backward(self) -> list[str]:
        nodes = self.segments.nodes
        again = [n for phase in BACKWARD for n in nodes[phase] if self.segments.again(n)]
        own = {phase: [n for n in nodes[phase] if n not in again] for phase in BACKWARD}
        gradients = self._results("dx", "dstate", "dcontext", "dparameter")
        return [
            self._operations("computed again in the backward", dict.fromkeys(again)),
            self._operations(
                "backward, before the loop, over many steps at once: dy alone decides it",
                own[Phase.B_BEFORE],
            ),
            self._operations("backward, in the loop, step after step", own[Phase.B_STEP]),
            self._operations(
                "backward, after the loop, over many steps at once", own[Phase.B_AFTER]
            ),
            self._operations("sums over all rows and steps", self.plan.at(Place.OVER)),
            self._operations("once a call, on those sums", self.plan.at(Place.LAST)),
            part("gradients", gradients),
        ]

    def _results(self, *kinds: str) -> list[str]:
        lines = []
        for kind in kinds:
            given = "state" if kind == "state" else kind.removeprefix("d")
            after = "'" if kind == "state" else ""
            for k, node in enumerate(self.plan.step.outputs[kind]):
                if node is not None:
                    name = "y" if kind == "y" else self.names[Leaf(given, k)]
                    sign = "d" if kind.startswith("d") else ""
                    lines.append(f"{sign}{name}{after} = {self.words.value(node)}")
        return lines

    def _operations(self, title: str, nodes: Iterable[Node]) -> str:
        loud = [node for node in nodes if not self.words.silent(node)]
        return part(title, [self.words.line(node) for node in loud]) if loud else ""

    def _legend(self) -> str:
        used = {node.op for node in self.plan.order}
        lines = [f"{op}(a, b) = {OPERATIONS[op].equation}" for op in OBSCURE if op in used]
        return part("where", lines) if lines else ""
