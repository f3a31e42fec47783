"""Where and when each operation of a step is done.

once          what parameters alone decide, and what the context alone decides
before        what x decides: many steps at once, before the loop reaches them
step          what the state needs, or is cheap
after         products that only read the state: many steps at once, after the loop
back before   products of dy alone
back step     the gradient of the state, and what is cheap
back after    products that only read it: dx
over rows     the gradients of parameters: sums over all rows and steps
last          what is left to do on them
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from recurra.engine.cut import keep
from recurra.engine.graph import OVER_ROWS, PRODUCTS, VIEWS, Node, ancestors
from recurra.engine.meaning import Step

KINDS = {"parameter": 1, "context": 2, "x": 4, "state": 8, "dy": 16, "dstate": 32}
CONTEXT, X, STATE, DY, DSTATE = 2, 4, 8, 16, 32
COTANGENT = DY | DSTATE


class Place(Enum):
    """When an operation is done."""

    ONCE = "once"
    ROW = "once a row"
    BEFORE = "before"
    STEP = "step"
    AFTER = "after"
    BACK_BEFORE = "back before"
    BACK_STEP = "back step"
    BACK_AFTER = "back after"
    OVER = "over rows"
    LAST = "last"


@dataclass
class Plan:
    """A step and the place of every operation.

    Args:
        step: simplified; without the gradients that nobody wants.
        users: how often a value is read when every gradient is wanted.
    """

    step: Step
    users: Counter[Node]

    def outputs(self, *kinds: str) -> list[Node]:
        """The results of these kinds that exist."""
        return [
            node for kind in kinds for node in self.step.outputs.get(kind, []) if node is not None
        ]

    @cached_property
    def order(self) -> list[Node]:
        """Every operation, inputs first."""
        return ancestors(self.outputs(*self.step.outputs))

    @cached_property
    def needs(self) -> dict[Node, int]:
        """Which kinds of leaves a value depends on, as bits."""
        found: dict[Node, int] = {}
        for node in self.order:
            bits = KINDS[node.leaf.kind] if node.op == "leaf" else 0
            for each in node.inputs:
                bits |= found[each]
            found[node] = bits
        return found

    @cached_property
    def over(self) -> set[Node]:
        """Sums over rows, and what depends on them."""
        found: set[Node] = set()
        for node in self.order:
            if node.op in OVER_ROWS or any(each in found for each in node.inputs):
                found.add(node)
        return found

    @cached_property
    def places(self) -> dict[Node, Place]:
        """The place of every operation."""
        recurrent = set(ancestors(self.outputs("state")))
        core = set(ancestors(self.outputs("dstate", "dcontext")))
        late: set[Node] = set()
        found: dict[Node, Place] = {}
        for node in self.order:
            found[node] = self._place(node, recurrent, core, late)
        return self._cheap_last(found)

    def _place(self, node: Node, recurrent: set[Node], core: set[Node], late: set[Node]) -> Place:
        needs = self.needs[node]
        if node in self.over:
            return Place.OVER if node.op in OVER_ROWS else Place.LAST
        if not node.rows:
            return Place.ONCE
        if not needs & (X | STATE | COTANGENT):
            return Place.ROW
        if not needs & (STATE | COTANGENT):
            return Place.BEFORE
        follows = node.op in PRODUCTS or any(each in late for each in node.inputs)
        if not needs & COTANGENT:
            if node in recurrent or not follows:
                return Place.STEP
            late.add(node)
            return Place.AFTER
        if node in core:
            return Place.BACK_STEP if needs & DSTATE else Place.BACK_BEFORE
        if not follows:
            return Place.BACK_STEP
        late.add(node)
        return Place.BACK_AFTER

    def _cheap_last(self, found: dict[Node, Place]) -> dict[Node, Place]:
        """Of what dy alone decides, only what a product needs is worth doing beforehand."""
        early = [node for node, place in found.items() if place is Place.BACK_BEFORE]
        worth = set(ancestors([node for node in early if node.op in PRODUCTS]))
        for node in early:
            if node not in worth:
                found[node] = Place.BACK_STEP
        return found

    def at(self, *places: Place) -> list[Node]:
        """The operations of these places, inputs first; leaves and numbers are none."""
        return [
            node
            for node in self.order
            if self.places[node] in places and node.op not in ("leaf", "literal")
        ]

    @cached_property
    def backward(self) -> list[Node]:
        """The operations of the backward that see rows."""
        return [
            node
            for node in self.order
            if (node.rows and self.needs[node] & COTANGENT) or node.op in OVER_ROWS
        ]

    @cached_property
    def read(self) -> list[Node]:
        """Values of the forward that the backward reads."""
        found = {
            each: None
            for node in self.backward
            for each in node.inputs
            if each.rows and not self.needs[each] & COTANGENT
        }
        return list(found)

    @cached_property
    def kept(self) -> list[Node]:
        """Values of the forward that are kept for the backward; leaves among them are at hand."""
        states = set(self.outputs("state"))

        def price(node: Node) -> int:
            if not node.rows or self.places[node] is Place.ROW:
                return 0
            if node in states:
                return 0  # the states are there anyway
            if node.op == "leaf":
                return int(node.leaf.kind == "state")
            if node.op == "expand":
                return 1 << 30
            # A product that begins with what is added to it rounds otherwise than one that is kept:
            # the sum costs no more, and training has the bits of inference.
            begun = node.op in ("matmul", "heads") and self.users[node] == 1
            return 4 * node.width + (node.op in VIEWS or begun)

        cut = keep(self.read, price)
        return [node for node in cut if node.rows and self.places[node] is not Place.ROW]
