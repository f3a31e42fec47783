"""Where the values of one phase are written.

Every value gets columns of a buffer: its own, those of a value that nobody reads any more, or a
part of what it is joined to later.
"""

from recurra.engine import place
from recurra.engine.graph import POINTWISE, VIEWS, Node, Shape
from recurra.engine.handover import Handover
from recurra.engine.place import Location, row_major
from recurra.engine.program import Kind
from recurra.engine.readers import EACH, Readers


class Targets:
    """Gives out the columns of a phase.

    Attributes:
        homes: places decided beforehand: of joined values and their parts.
        position: the instruction at work, as `readers.EACH` counts; may be set.
    """

    def __init__(self, handover: Handover, readers: Readers) -> None:
        self.handover = handover
        self.draft = handover.draft
        self.locator = handover.locator
        self.readers = readers
        self.position = 0
        self.homes: dict[Node, Location] = {}
        self._pool: list[int] = []  # scratch of this phase
        self._held: dict[int, list[Node]] = {}  # values a buffer has held
        for node in readers.nodes:
            if node.op == "cat":
                self._join(node)

    def target(self, node: Node, operands: tuple[Location, ...] = ()) -> Location:
        """Where the value of a node is to be written; over a dead operand where that may be."""
        found = self.homes.get(node) or self.handover.home(node)
        if found is None:
            if self.readers.crosses(node):
                # A tile's rows hold this step alone; another phase reads a chunk's.
                operands = tuple(o for o in operands if self.draft.kind(o.buffer) is Kind.CHUNK)
            found = self._over(node.shape, operands) or self._scratch(node)
        self._held.setdefault(found.buffer, []).append(node)
        self.handover.put(node, found)
        return found

    def _join(self, node: Node) -> None:
        """Give the parts of a joined value their columns in it."""
        at = node.at
        parts = [each for each in node.inputs if self._placeable(each, node)]
        if len(parts) < 2 and not (parts and len(node.inputs) == 1):
            return
        kind = self._kind_of_joined(node)
        whole = self.draft.fresh(kind, node.shape)
        if kind is not Kind.KEPT:
            self._pool.append(whole.buffer)
        self._held[whole.buffer] = [node, *parts]
        start = 0
        for each in node.inputs:
            stop = start + each.shape[at]
            if each in parts:
                self.homes[each] = place.sliced(whole, at, start, stop)
            start = stop
        self.homes[node] = whole

    def _placeable(self, part: Node, node: Node) -> bool:
        outer = all(size == 1 for size in node.shape[: node.at])
        return (
            part in self.readers.inside
            and part not in self.homes
            and part not in self.readers.silent
            and part.op not in VIEWS
            and part.op != "cat"
            and (outer or part.op in POINTWISE)
            and node.inputs.count(part) == 1
            and self.handover.homes.get(part) in (None, Kind.KEPT)
            and not (
                part in self.readers.crossing
                and not self.handover.reuse.staged(part)
                and self._kind_of_joined(node) is Kind.TILE
            )
        )

    def _kind_of_joined(self, node: Node) -> Kind:
        homes = self.handover.homes
        kept = node in homes or any(each in homes for each in node.inputs)
        return Kind.KEPT if kept and not self.handover.reuse.staged(node) else self._kind(node)

    def _kind(self, node: Node) -> Kind:
        alone = self.draft.stepping and not self.readers.crosses(node)
        return Kind.TILE if alone else Kind.CHUNK

    def _over(self, shape: Shape, operands: tuple[Location, ...]) -> Location | None:
        """The columns of an operand that is read for the last time."""
        for one in operands:
            mine = one.shape == shape and one.strides == row_major(shape)
            if not mine or not (one.buffer in self._pool or self.handover.consumed(one.buffer)):
                continue
            apart = all(other == one or not other.meets(one) for other in operands)
            if apart and self._dead(one, self.position + EACH):
                return one
        return None

    def _dead(self, where: Location, since: int) -> bool:
        """Whether nobody reads these columns from a place on."""
        values = [*self._held.get(where.buffer, []), *self.handover.lying(where.buffer)]
        for node in values:
            for at, operand in self.readers.reads.get(node, []):
                if at >= since and self._touches(operand, node, where):
                    return False
        return True

    def _touches(self, operand: Node, node: Node, where: Location) -> bool:
        held = self.locator.glimpse(operand) or self.locator.glimpse(node)
        return held is None or held.meets(where)

    def _scratch(self, node: Node) -> Location:
        if self.readers.crosses(node):
            return self.draft.fresh(self._kind(node), node.shape)
        kind, width = self._kind(node), max(1, node.width)
        for number in self._pool:
            buffer = self.draft.program.buffers[number]
            whole = place.filling(number, (buffer.width,))
            if (buffer.kind, buffer.width) == (kind, width) and self._dead(whole, self.position):
                return place.filling(number, node.shape)
        made = self.draft.fresh(kind, node.shape)
        self._pool.append(made.buffer)
        return made
