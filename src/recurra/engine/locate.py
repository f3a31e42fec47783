"""Where each value of a step lies while a program is made."""

from dataclasses import replace

from recurra.engine import place
from recurra.engine.draft import Argument, Draft
from recurra.engine.graph import VIEWS, Node
from recurra.engine.place import Location, NotNativeError
from recurra.engine.program import Kind, Phase
from recurra.engine.segments import FORWARD


class Locator:
    """Remembers places, and finds those of views and of what all rows share.

    Attributes:
        forward, backward: places that stay for the rest of a direction.
        here: places that the phase at work alone may read.
    """

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.forward: dict[Node, Location] = {}
        self.backward: dict[Node, Location] = {}
        self.here: dict[Node, Location] = {}

    @property
    def side(self) -> dict[Node, Location]:
        """The places of the direction at work."""
        return self.forward if self.draft.phase in FORWARD else self.backward

    def known(self, node: Node) -> bool:
        """Whether the value has a place, or is a view of one that has."""
        if node in self.here or node in self.side:
            return True
        return node.op in VIEWS and node.rows and self.known(node.inputs[0])

    def glimpse(self, node: Node) -> Location | None:
        """Where a value lies; None where it has no place yet."""
        found = self.here.get(node) or self.side.get(node)
        if found is not None or node.op not in VIEWS or not node.rows or not node.inputs[0].rows:
            return found
        held = self.glimpse(node.inputs[0])
        return None if held is None else place.seen(held, node)

    def locate(self, node: Node) -> Location:
        """Where a value lies, copied where a view of it cannot lie where it is.

        Raises:
            NotNativeError: nothing has made it, or its view has no form here.
        """
        contracting = self.draft.phase is Phase.CONTRACT
        if contracting and node.op == "leaf" and node.leaf.kind in ("x", "dy"):
            return self._outside(node)
        found = self.here.get(node) or self.side.get(node)
        if found is not None:
            return found
        if not node.rows:
            return self._shared(node)
        if node.op not in VIEWS:
            raise NotNativeError(f"{node.op} is not where it is read")
        return self._view(node)

    def repeated(self, node: Node) -> Location:
        """Where what an expand repeats lies, in the repeated shape."""
        return place.expanded(self.locate(node.inputs[0]), node.shape)

    def packed(self, node: Node) -> Location:
        """A value as one run of columns, copied where it does not lie so."""
        held = self.locate(node)
        found = place.flat(held)
        if found is not None:
            return found
        made = self.draft.local(held.shape)
        self.draft.copy(made, held)
        return replace(made, shape=(made.width,), strides=(1,))

    def runs(self, node: Node) -> list[Location | int]:
        """A value as pieces of following columns; a number stands for so many zeros.

        Raises:
            NotNativeError: it has no such pieces.
        """
        found: list[Location | int] = []
        for piece in self._pieces(node):
            last = found[-1] if found else None
            if isinstance(last, Location) and isinstance(piece, Location) and _follow(last, piece):
                found[-1] = replace(last, shape=(last.width + piece.width,), strides=(1,))
            else:
                found.append(piece)
        return found

    def _pieces(self, node: Node) -> list[Location | int]:
        if not node.rows:
            if node.is_zero:
                return [node.width]
            raise NotNativeError("a constant joined to rows in a product")
        if node not in self.here and node not in self.side:
            if node.op == "view":
                return self._pieces(node.inputs[0])
            if node.op == "cat" and all(size == 1 for size in node.shape[: node.at]):
                return [piece for each in node.inputs for piece in self._pieces(each)]
        found = place.flat(self.locate(node))
        if found is None:
            raise NotNativeError(f"{node.op} in a product with other columns between")
        return [found]

    def _outside(self, node: Node) -> Location:
        argument = Argument(node.leaf.kind, index=node.leaf.index)
        for number, buffer in enumerate(self.draft.program.buffers):
            if buffer.kind is Kind.OUTER and self.draft.arguments[buffer.argument] == argument:
                return place.filling(number, node.shape)
        return self.draft.outer(Kind.OUTER, node.shape, argument)

    def _view(self, node: Node) -> Location:
        if not node.inputs[0].rows:
            return self.repeated(node)
        held = self.locate(node.inputs[0])
        found = place.seen(held, node)
        if found is None:
            if self.draft.phase is Phase.CONTRACT:
                raise NotNativeError("a turned value in a gradient")
            packed = self.draft.local(held.shape)
            self.draft.copy(packed, held)
            found = place.seen(packed, node)
        if found is None:
            raise NotNativeError("a view")
        if node.op == "view":
            self.here[node] = found
        return found

    def _shared(self, node: Node) -> Location:
        """A value that all rows share, as a row of parameters."""
        if node.op == "literal":
            argument = Argument("number", number=node.literal)
            held = place.filling(self.draft.buffer(Kind.PARAMETER, 1, argument), ())
        elif node.op == "expand" and node.inputs[0].op == "literal":
            held = place.expanded(self._shared(node.inputs[0]), node.shape)
        else:
            number = self.draft.buffer(Kind.PARAMETER, node.width, Argument("once", node))
            held = place.filling(number, node.shape)
        self.forward[node] = self.backward[node] = held
        return held


def _follow(last: Location, piece: Location) -> bool:
    same = (last.buffer, last.after) == (piece.buffer, piece.after)
    return same and piece.offset == last.offset + last.width
