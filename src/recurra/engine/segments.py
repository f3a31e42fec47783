"""Which operations each phase of a program does.

Views are no operations: they are where an operand lies. What the backward computes again stands in
its own phase once more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from recurra.engine.graph import OVER_ROWS, VIEWS, Node, ancestors
from recurra.engine.plan import Place, Plan
from recurra.engine.program import Phase

FORWARD = (Phase.F_BEFORE, Phase.F_STEP, Phase.F_AFTER)
BACKWARD = (Phase.B_BEFORE, Phase.B_STEP, Phase.B_AFTER)
PHASES = {
    Place.BEFORE: Phase.F_BEFORE,
    Place.STEP: Phase.F_STEP,
    Place.AFTER: Phase.F_AFTER,
    Place.BACK_BEFORE: Phase.B_BEFORE,
    Place.BACK_STEP: Phase.B_STEP,
    Place.BACK_AFTER: Phase.B_AFTER,
}


@dataclass
class Segments:
    """The phases of a plan.

    Args:
        training: whether there is a backward, and values are kept for it.
    """

    plan: Plan
    training: bool

    @cached_property
    def kept(self) -> dict[Node, None]:
        """Values with rows that the forward keeps, always in the same order."""
        return dict.fromkeys(self.plan.kept if self.training else ())

    @cached_property
    def done(self) -> set[Node]:
        """Everything that the forward computes for its own sake."""
        return set(ancestors([*self.plan.outputs("y", "state"), *self.kept]))

    def base(self, node: Node, *, backward: bool) -> Node:
        """What a view looks at; the backward stops where a value was kept."""
        while node.op in VIEWS and node.rows and node.inputs[0].rows:
            if backward and node in self.kept:
                return node
            node = node.inputs[0]
        return node

    def phase(self, node: Node) -> Phase | None:
        """When a value with rows is made first; None for what is not made in a program."""
        if node.op in ("leaf", "literal") or not node.rows:
            return None
        return PHASES.get(self.plan.places[node])

    @cached_property
    def nodes(self) -> dict[Phase, list[Node]]:
        """The operations of each phase, inputs first."""
        found = {phase: self._forward(phase) for phase in FORWARD}
        if self.training:
            found |= {phase: self._backward(phase) for phase in BACKWARD}
        return found

    def _backward(self, phase: Phase) -> list[Node]:
        """Each sum over rows as soon as may be: what it reads need not wait for the others."""
        main, sums = self._results(phase), self._summed(phase)
        first = self._within(main, phase)
        ready = {node: at for at, node in enumerate(first)}
        for node in self._within([*main, *sums], phase):
            bases = [self.base(each, backward=True) for each in node.inputs]
            ready.setdefault(node, max((ready.get(each, -1) for each in bases), default=-1))
        # What is ready together keeps its order, and sums come behind what they were waiting for.
        return self._within(sorted([*first, *sums], key=lambda node: ready[node]), phase)

    def _forward(self, phase: Phase) -> list[Node]:
        wanted = [*self.plan.outputs("y", "state"), *self.kept]
        wanted += [
            each
            for node in self.plan.order
            if node in self.done and self.phase(node) not in (None, phase)
            for each in node.inputs
        ]
        bases = [self.base(node, backward=False) for node in wanted]
        return self._within([node for node in bases if self.phase(node) is phase], phase)

    def _results(self, phase: Phase) -> list[Node]:
        """What the caller and other phases of the backward take from this one."""
        wanted = self.plan.outputs("dx", "dstate", "dcontext")
        others = [
            each
            for node in self.plan.order
            if self.phase(node) in BACKWARD and self.phase(node) is not phase
            for each in node.inputs
        ]
        bases = [self.base(node, backward=True) for node in (*wanted, *others)]
        return [node for node in bases if self.phase(node) is phase]

    def _summed(self, phase: Phase) -> list[Node]:
        """What sums over rows take from this phase of the backward."""
        sums = [each for n in self.plan.order if n.op in OVER_ROWS for each in n.inputs]
        bases = [self.base(node, backward=True) for node in sums]
        found = [node for node in bases if self.phase(node) is phase]
        if phase is Phase.B_STEP:
            # A sum over rows of what is computed again is taken where the step computes it.
            found += [node for node in bases if self.again(node)]
        return found

    def again(self, node: Node) -> bool:
        """Whether the backward must compute a value of the forward anew."""
        return self.phase(node) in FORWARD and node not in self.kept

    def _within(self, targets: Iterable[Node], phase: Phase) -> list[Node]:
        order: dict[Node, None] = {}
        pending = [(node, False) for node in reversed(list(targets))]
        while pending:
            node, ready = pending.pop()
            if node in order:
                continue
            if ready:
                order[node] = None
                continue
            pending.append((node, True))
            for each in reversed(node.inputs):
                inner = self.base(each, backward=phase in BACKWARD)
                own = self.phase(inner)
                if own is phase or (phase in BACKWARD and self.again(inner)):
                    pending.append((inner, False))
        return list(order)
