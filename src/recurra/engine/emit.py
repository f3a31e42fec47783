"""From a plan to a program: what goes in, phase after phase, and what comes out."""

from dataclasses import dataclass

from recurra.engine import place
from recurra.engine.draft import Argument, Draft
from recurra.engine.graph import VIEWS, Node
from recurra.engine.handover import Handover
from recurra.engine.place import Location, NotNativeError
from recurra.engine.plan import Place, Plan
from recurra.engine.program import Code, Kind, Operand, Packing, Phase, Program
from recurra.engine.segment import SegmentEmitter
from recurra.engine.segments import BACKWARD, FORWARD


@dataclass
class Emitted:
    """A program, and what each of its arguments is."""

    program: Program
    arguments: list[Argument]


def emit(plan: Plan, *, training: bool, double: bool, packing: Packing = Packing.FULL) -> Emitted:
    """The program of a plan.

    Args:
        packing: of the matrices; in training full or tiles.

    Raises:
        NotNativeError: an operation has no native form.
    """
    draft = Draft(double=double, packing=packing)
    emitter = Emitter(Handover(plan, draft, training=training))
    emitter.forward()
    if training:
        emitter.backward()
        emitter.over_rows()
    draft.program.arguments = len(draft.arguments)
    return Emitted(draft.program, draft.arguments)


class Emitter:
    """Says what stands around the phases, and lets each say itself."""

    def __init__(self, handover: Handover) -> None:
        self.handover = handover
        self.plan = handover.plan
        self.draft = handover.draft
        self.locator = handover.locator
        self.segments = handover.segments

    def forward(self) -> None:
        """From the first states to the last."""
        self.draft.phase = Phase.F_BEGIN
        self._first_states()
        for node in self._context_read(FORWARD):
            self.locator.forward[node] = self._load_row(node)
        self.draft.phase = Phase.F_BEFORE
        for node in self._leaves_read("x", FORWARD):
            self.locator.forward[node] = self._load(node, Argument("x", index=node.leaf.index))
        self._phases(FORWARD)
        self.draft.phase = Phase.F_END
        self._store_states("last", self.handover.states)

    def backward(self) -> None:
        """From the gradients of the last states to those of the first."""
        self.draft.phase = Phase.B_BEGIN
        self._last_cotangents()
        for node in self._context_read(BACKWARD):
            self.locator.backward[node] = self._load_row(node)
        self._clear_contexts()
        self.draft.phase = Phase.B_BEFORE
        for node in self._leaves_read("dy", BACKWARD):
            self.locator.backward[node] = self._load(node, Argument("dy"))
        for node in self._leaves_read("x", BACKWARD):
            self.locator.backward[node] = self._load(node, Argument("x", index=node.leaf.index))
        self._phases(BACKWARD)
        self.draft.phase = Phase.B_END
        self._store_states("dfirst", self.handover.cotangents)
        for k, held in self.handover.contexts.items():
            argument = Argument("drow", index=k)
            self.draft.store(self.draft.outer(Kind.OUTER_ROW, held.shape, argument), held)

    def over_rows(self) -> None:
        """The sums over all rows and steps."""
        self.draft.phase = Phase.CONTRACT
        self.locator.here = {}  # views of what the last phase had in its chunk
        for node, number in self.handover.sums:
            width = self.draft.program.buffers[number].width
            argument = self.draft.argument(Argument("over", node))
            self.draft.say(Code.TOTAL, 1, width, [Operand(number)], numbers=(argument,))
        for node in self.plan.at(Place.OVER):
            if node.op == "contract":
                self._contract(node)

    def _phases(self, phases: tuple[Phase, ...]) -> None:
        for phase in phases:
            self.handover.open(phase)
            SegmentEmitter(self.handover, self.segments.nodes[phase]).emit()
            self.handover.close()

    def _first_states(self) -> None:
        leaves = self._leaves("state")
        for k, new in enumerate(self.plan.step.outputs["state"]):
            leaf = leaves.get(k)
            shape = self.handover.state_shape(k)
            kept = self.segments.kept
            held = self.draft.fresh(
                Kind.HISTORY if leaf in kept or new in kept else Kind.STATE, shape
            )
            self.handover.states.append(held.buffer)
            argument = Argument("first", index=k)
            self.draft.load(held, self.draft.outer(Kind.OUTER_ROW, shape, argument))
            if leaf is not None:
                self.locator.forward[leaf] = self.locator.backward[leaf] = held

    def _last_cotangents(self) -> None:
        leaves = self._leaves("dstate")
        for k in range(len(self.handover.states)):
            held = self.draft.fresh(Kind.STATE, self.handover.state_shape(k))
            self.handover.cotangents.append(held.buffer)
            argument = Argument("dlast", index=k)
            self.draft.load(held, self.draft.outer(Kind.OUTER_ROW, held.shape, argument))
            if k in leaves:
                self.locator.backward[leaves[k]] = held

    def _clear_contexts(self) -> None:
        for k, node in enumerate(self.plan.step.outputs.get("dcontext", [])):
            if node is not None:
                held = self.draft.fresh(Kind.TILE, node.shape)
                self.draft.fill(held)
                self.handover.contexts[k] = held

    def _store_states(self, kind: str, numbers: list[int]) -> None:
        for k, number in enumerate(numbers):
            held = place.filling(number, self.handover.state_shape(k))
            argument = Argument(kind, index=k)
            self.draft.store(self.draft.outer(Kind.OUTER_ROW, held.shape, argument), held)

    def _load_row(self, node: Node) -> Location:
        held = self.draft.fresh(Kind.TILE, node.shape)
        argument = Argument("row", node)
        self.draft.load(held, self.draft.outer(Kind.OUTER_ROW, node.shape, argument))
        return held

    def _load(self, node: Node, argument: Argument) -> Location:
        held = self.draft.fresh(Kind.CHUNK, node.shape)
        self.draft.load(held, self.draft.outer(Kind.OUTER, node.shape, argument))
        return held

    def _leaves(self, kind: str) -> dict[int, Node]:
        leaves = [node for node in self.plan.order if node.op == "leaf"]
        return {node.leaf.index: node for node in leaves if node.leaf.kind == kind}

    def _inputs(self, phases: tuple[Phase, ...]) -> list[Node]:
        nodes = [node for phase in phases for node in self.segments.nodes[phase]]
        return [each for node in nodes for each in node.inputs]

    def _leaves_read(self, kind: str, phases: tuple[Phase, ...]) -> list[Node]:
        """The leaves of a kind that these phases read, or give away as they are."""
        back = phases is BACKWARD
        if back:
            asked = self.plan.outputs("dx", "dstate", "dcontext")
            totals = [node for node in self.plan.at(Place.OVER) if node.op == "total"]
            asked += [each for node in totals for each in node.inputs]
        else:
            asked = [*self.plan.outputs("y", "state"), *self.segments.kept]
        found: dict[Node, None] = {}
        for each in (*self._inputs(phases), *asked):
            base = self.segments.base(each, backward=back)
            while base.op in VIEWS and base.inputs and base.inputs[0].rows:
                base = base.inputs[0]
            if base.op == "leaf" and base.leaf.kind == kind:
                found[base] = None
        return list(found)

    def _context_read(self, phases: tuple[Phase, ...]) -> list[Node]:
        """The values of the context that these phases read."""
        bases = [
            self.segments.base(each, backward=phases is BACKWARD) for each in self._inputs(phases)
        ]
        found = [base for base in bases if base.rows and self.plan.places[base] is Place.ROW]
        return list(dict.fromkeys(found))

    def _contract(self, node: Node) -> None:
        a, b = node.inputs
        blocks, inner, _ = a.shape
        left, right = self.locator.runs(a), self.locator.runs(b)
        if blocks * inner > 1 and len(left) + len(right) > 2:
            raise NotNativeError("a gradient of joined heads")
        m = 0
        for one in left:
            n = 0
            for other in right:
                if isinstance(one, Location) and isinstance(other, Location):
                    if Kind.TILE in (self.draft.kind(one.buffer), self.draft.kind(other.buffer)):
                        raise NotNativeError("a gradient of a product with the context")
                    argument = self.draft.argument(Argument("over", node, offset=(m, n)))
                    M, N = (each.width // (blocks * inner) for each in (one, other))
                    packing = self.draft.packing(M, N)
                    numbers = (argument, M, N, blocks, inner, int(packing))
                    operands = [one.operand(), other.operand()]
                    self.draft.say(Code.CONTRACT, 1, 1, operands, numbers=numbers)
                n += place.wide(other)
            m += place.wide(one)
