"""Memory that the backward takes over from the forward.

What the forward keeps for a step of the backward is dead once that step is done, and about as wide
as what the step writes for the sums over all rows. So both share columns: the step writes into
scratch, and its last instructions copy that over what it has read.
"""

from dataclasses import replace
from functools import cached_property
from math import prod

from recurra.engine.draft import Draft
from recurra.engine.graph import Node, Shape
from recurra.engine.locate import Locator
from recurra.engine.operations import NUMBERS
from recurra.engine.place import Location, filling
from recurra.engine.plan import Place
from recurra.engine.program import Buffer, Kind, Phase
from recurra.engine.segments import Segments

LINE = 16  # numbers


class Reuse:
    """Gives out the columns of one kept buffer, first to the forward, then to the backward.

    Args:
        homes: the kind of buffer that a value must lie in.
    """

    def __init__(self, segments: Segments, draft: Draft, homes: dict[Node, Kind]) -> None:
        self.segments = segments
        self.draft = draft
        self.homes = homes
        self._first = self._second = -1  # the buffer as the forward and as the backward see it
        self._free = 0  # where the backward's columns go on

    @cached_property
    def spent(self) -> set[Node]:
        """Values of the forward that the step of the backward reads last."""
        nodes = self.segments.nodes
        late = [each for node in nodes.get(Phase.B_AFTER, []) for each in node.inputs]
        sums = [n for n in self.segments.plan.at(Place.OVER) if n.op == "contract"]
        late += [each for node in sums for each in node.inputs]
        read: set[Node] = set()
        while late:
            base = self.segments.base(late.pop(), backward=True)
            if base not in read:
                read.add(base)
                late += base.inputs if base.op == "cat" else ()
        return {node for node in self.segments.kept if node not in read}

    def keep(self, node: Node, shape: Shape) -> Location:
        """Where the forward keeps a value."""
        if node not in self.spent:
            return self.draft.fresh(Kind.KEPT, shape)
        if self._first < 0:
            self._first = self.draft.buffer(Kind.KEPT, 0)
        buffer = self.draft.program.buffers[self._first]
        width = max(1, prod(shape))
        # Vectors that begin with a cache line are read and written much faster.
        offset = buffer.width if width < LINE else -(-buffer.width // LINE) * LINE
        self.draft.program.buffers[self._first] = replace(buffer, width=offset + width)
        return replace(filling(self._first, shape), offset=offset)

    def staged(self, node: Node) -> bool:
        """Whether the step at work writes a value into scratch, to be moved at its end."""
        if self.draft.phase is not Phase.B_STEP or self._first < 0:
            return False
        if node.op == "cat" and self.segments.phase(node) is Phase.B_STEP:
            bases = [self.segments.base(each, backward=True) for each in node.inputs]
            return self.homes.get(node) is Kind.KEPT or any(
                self.homes.get(base) is Kind.KEPT and self._made(base) for base in bases
            )
        return self.homes.get(node) is Kind.KEPT and self._made(node)

    def _made(self, node: Node) -> bool:
        return self.segments.phase(node) is Phase.B_STEP or self.segments.again(node)

    def move(self, locator: Locator) -> dict[Node, Location]:
        """Copy what is staged to where it stays; the new places."""
        held = {node: place for node, place in locator.side.items() if self.staged(node)}
        found: dict[Node, Location] = {}
        for number in dict.fromkeys(place.buffer for place in held.values()):
            here = {node: place for node, place in held.items() if place.buffer == number}
            first = min(place.offset for place in here.values())
            width = max(place.end for place in here.values()) - first
            target = self._take(width)
            source = Location(number, first, (width,), (1,))
            self.draft.over(NUMBERS["copy"], (width,), [target, source])
            for node, place in here.items():
                offset = target.offset + place.offset - first
                found[node] = replace(place, buffer=target.buffer, offset=offset)
        return found

    def _take(self, width: int) -> Location:
        buffers = self.draft.program.buffers
        whole = buffers[self._first].width
        if self._free + width > whole:
            return self.draft.fresh(Kind.KEPT, (width,))
        if self._second < 0:
            self._second = len(buffers)
            buffers.append(Buffer(Kind.KEPT, whole, alias=self._first))
        found = Location(self._second, self._free, (width,), (1,))
        self._free += -(-width // LINE) * LINE
        return found
