"""What a phase must leave to others: where values have to lie, and what is copied at its end."""

from collections.abc import Sequence
from functools import cached_property

from recurra.engine import place
from recurra.engine.draft import Argument, Draft
from recurra.engine.graph import VIEWS, Node, Shape
from recurra.engine.locate import Locator
from recurra.engine.operations import NUMBERS
from recurra.engine.place import Location
from recurra.engine.plan import Place, Plan
from recurra.engine.program import Kind, Phase
from recurra.engine.reuse import Reuse
from recurra.engine.segments import BACKWARD, FORWARD, Segments


class Handover:
    """Knows all phases of a plan while one is at work.

    Attributes:
        results: what the caller gets.
        homes: the kind of buffer that a value must lie in.
        states, cotangents: the buffer of each state, and of its gradient.
        contexts: where the gradients of the context are summed.
        sums: sums over rows and the buffers in which they grow.
    """

    def __init__(self, plan: Plan, draft: Draft, *, training: bool) -> None:
        self.plan = plan
        self.draft = draft
        self.segments = Segments(plan, training)
        self.locator = Locator(draft)
        self.states: list[int] = []
        self.cotangents: list[int] = []
        self.contexts: dict[int, Location] = {}
        self.sums: list[tuple[Node, int]] = []
        self.results = set(plan.outputs("y", "state"))
        if training:
            self.results.update(plan.outputs("dx", "dstate", "dcontext"))
        self.homes = self._homes()
        self.reuse = Reuse(self.segments, draft, self.homes)
        self._moved: dict[Node, Location] = {}

    @property
    def back(self) -> bool:
        """Whether the phase at work is one of the backward."""
        return self.draft.phase in BACKWARD

    @property
    def others(self) -> list[Phase]:
        """The other phases of the same direction."""
        phases = BACKWARD if self.back else FORWARD
        return [phase for phase in phases if phase is not self.draft.phase]

    def state_shape(self, k: int) -> Shape:
        """The shape of a state and of its gradient."""
        node = self.plan.step.outputs["state"][k]
        return () if node is None else node.shape

    def base(self, node: Node) -> Node:
        """What a view looks at."""
        return self.segments.base(node, backward=self.back)

    # Before and during a phase.

    def open(self, phase: Phase) -> None:
        """Begin a phase."""
        self.draft.phase = phase
        self.locator.here = {}
        if phase in (FORWARD[-1], BACKWARD[-1]):
            self.locator.side.update(self._moved)
        self._moved = {}

    def home(self, node: Node) -> Location | None:
        """The buffer that a value must lie in, if any."""
        kind = self.homes.get(node)
        made_here = self.back == (self.segments.phase(node) in BACKWARD)
        if kind is Kind.STATE and made_here:
            numbers = self.cotangents if self.back else self.states
            k = self.plan.step.outputs["dstate" if self.back else "state"].index(node)
            return place.filling(numbers[k], node.shape, after=True)
        again = self.back and self.segments.again(node)
        if kind is Kind.KEPT and (made_here or again) and not self.reuse.staged(node):
            return self.keep(node)
        if kind is Kind.STATE and again and node in self._multiplied:
            return self.keep(node)  # the state's buffer is the forward's
        return None

    def keep(self, node: Node) -> Location:
        """Memory from the forward to the backward, or from the backward to its sums."""
        if self.back:
            return self.draft.fresh(Kind.KEPT, node.shape)
        return self.reuse.keep(node, node.shape)

    def put(self, node: Node, where: Location) -> None:
        """Remember where a value lies."""
        if not self.back:
            self.locator.forward[node] = where
            if node in self.segments.kept:
                self.locator.backward[node] = where
        elif self.segments.phase(node) in BACKWARD or node in self.homes:
            self.locator.backward[node] = where
        else:
            self.locator.here[node] = where

    def crosses(self, node: Node) -> bool:
        """Whether a value that is made over a chunk's steps is a result of another phase."""
        if self.draft.phase is Phase.F_BEFORE:
            results = self.plan.outputs("state")
        elif self.draft.phase is Phase.B_BEFORE:
            results = self.plan.outputs("dstate", "dcontext")
        else:
            return False
        return any(self.base(each) is node for each in results)

    def consumed(self, buffer: int) -> bool:
        """Whether a buffer of a chunk, filled before the step, may be written over in the step."""
        if self.draft.kind(buffer) is not Kind.CHUNK or not self.draft.stepping:
            return False
        after = BACKWARD[-1] if self.back else FORWARD[-1]
        read = [each for node in self.segments.nodes[after] for each in node.inputs]
        # A state may become what came in, such as x itself; it is copied after the last operation.
        read += self.plan.outputs("dstate" if self.back else "state")
        held = [self.locator.glimpse(each) for each in read]
        return not any(each is not None and each.buffer == buffer for each in held)

    def lying(self, buffer: int) -> list[Node]:
        """Values of all phases so far that lie in a buffer."""
        return [node for node, held in self.locator.side.items() if held.buffer == buffer]

    def taken_in_pieces(self, node: Node) -> bool:
        """Whether the other phases that read a joined value can take it part by part."""
        if node in self.results:
            return False
        readers = [
            reader
            for phase in self.others
            for reader in self.segments.nodes[phase]
            if any(self.base(each) is node for each in reader.inputs)
        ]
        return all(whole_rows(each) for each in readers)

    # After a phase.

    def close(self) -> None:
        """Give the caller, and the next step, what the phase made."""
        if self.draft.stepping:
            self._hand_on()
        if self.back:
            self._close_backward()
        else:
            self._close_forward()

    def _close_forward(self) -> None:
        (y,) = self.plan.outputs("y")
        if self._made_in(y) is self.draft.phase:
            self._store(y, Argument("y"))
        if self.draft.phase is Phase.F_STEP:
            self._close_states("state", self.states)

    def _close_backward(self) -> None:
        for k, dx in enumerate(self.plan.step.outputs.get("dx", [])):
            if dx is not None and self._made_in(dx) is self.draft.phase:
                self._store(dx, Argument("dx", index=k))
        if self.draft.phase is Phase.B_STEP:
            for k, held in self.contexts.items():
                node = self.plan.step.outputs["dcontext"][k]
                if node is not None:
                    places = [held, held, self.locator.locate(node)]
                    self.draft.over(NUMBERS["add"], node.shape, places)
            self._close_states("dstate", self.cotangents)
            self._moved |= self.reuse.move(self.locator)

    def _hand_on(self) -> None:
        """Copy states that the next phase reads: it runs when they have long been overwritten."""
        after = BACKWARD[-1] if self.back else FORWARD[-1]
        for node in self.segments.nodes[after]:
            for base in (piece for each in node.inputs for piece in self._pieces(each)):
                held = self.locator.side.get(base)
                if held is None or self.draft.kind(held.buffer) is not Kind.STATE:
                    continue
                if base not in self._moved:
                    self._moved[base] = self.draft.fresh(Kind.CHUNK, base.shape)
                    self.draft.copy(self._moved[base], held)

    def _pieces(self, node: Node) -> list[Node]:
        """What a value looks at: of a joined one that lies nowhere itself, each part."""
        base = self.base(node)
        if base.op != "cat" or self.locator.side.get(base) is not None:
            return [base]
        return [piece for each in base.inputs for piece in self._pieces(each)]

    def _made_in(self, node: Node) -> Phase:
        """The phase that has a result; what no operation makes is had as soon as may be."""
        base = self.base(node)
        if base.op == "leaf" and base.leaf.kind in ("x", "dy"):
            return BACKWARD[0] if self.back else FORWARD[0]
        own = self.segments.phase(base)
        if own is not None and own in (BACKWARD if self.back else FORWARD):
            return own
        return Phase.B_STEP if self.back else Phase.F_STEP

    def _store(self, node: Node, argument: Argument) -> None:
        held = self.locator.packed(node)
        self.draft.store(self.draft.outer(Kind.OUTER, (held.width,), argument), held)

    def _close_states(self, kind: str, numbers: Sequence[int]) -> None:
        nodes = self.plan.step.outputs[kind]
        for k, node in enumerate(nodes):
            target = place.filling(numbers[k], self.state_shape(k), after=True)
            if node is None:
                self.draft.fill(target)
            elif self.homes.get(node) is not Kind.STATE or nodes.index(node) != k:
                self.draft.copy(target, self.locator.locate(node))

    # Homes.

    def _homes(self) -> dict[Node, Kind]:
        found: dict[Node, Kind] = {}
        for node in self.plan.outputs("state"):
            if self.segments.phase(node) is Phase.F_STEP and node.op not in VIEWS:
                found[node] = Kind.STATE
        for node in self.segments.kept:
            if node.op not in VIEWS and self.segments.phase(node) is not None:
                found.setdefault(node, Kind.KEPT)
        if self.segments.training:
            for piece in self._multiplied:
                found.setdefault(piece, Kind.KEPT)
            for node in self.plan.outputs("dstate"):
                if self.segments.phase(node) is Phase.B_STEP and node.op not in VIEWS:
                    found.setdefault(node, Kind.STATE)
        return found

    @cached_property
    def _multiplied(self) -> dict[Node, None]:
        """What is computed in the backward and multiplied over all rows at the very end."""
        sums = [node for node in self.plan.at(Place.OVER) if node.op == "contract"]
        return dict.fromkeys(
            piece for node in sums for each in node.inputs for piece in self._memory(each)
        )

    def _memory(self, node: Node) -> list[Node]:
        """What of an operand of a sum over rows is computed in the backward."""
        base = self.segments.base(node, backward=True)
        if base.op == "cat" and all(size == 1 for size in base.shape[: base.at]):
            return [each for part in base.inputs for each in self._memory(part)]
        own = self.segments.phase(base)
        return [base] if own in BACKWARD or self.segments.again(base) else []


def whole_rows(node: Node) -> bool:
    """Whether it is a product of a whole row, which may come in pieces."""
    return node.op == "matmul" and node.inputs[0].width == node.inputs[1].shape[0]
