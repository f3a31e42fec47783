"""A program in the making: its buffers, its arguments, and the instructions of its phases."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from recurra.engine import place
from recurra.engine.graph import Node, Shape
from recurra.engine.operations import NUMBERS
from recurra.engine.place import Location
from recurra.engine.program import (
    Buffer,
    Code,
    Instruction,
    Kind,
    Matrix,
    Operand,
    Packing,
    Phase,
    Program,
)


@dataclass(frozen=True)
class Argument:
    """What the caller passes.

    kind: once (a value without rows, as a row), matrix (the same as matrices), number (a literal),
    row (a value of the context), x, y, dy, dx, first (state), last (state), dlast, dfirst, drow
    (gradient of the context), over (a sum over rows).

    Args:
        node: for once, matrix, row and over.
        index: which x, state or context.
        offset: where a part of a matrix begins, in rows and columns.
        number: a literal.
    """

    kind: str
    node: Node | None = None
    index: int = 0
    offset: tuple[int, int] = (0, 0)
    number: float = 0.0


# A matrix with a side below that of a tile would be zeros for the most part.
TILE_SIDE = 16


class Draft:
    """Adds to a program, one phase after another.

    Args:
        packing: of the matrices; those too small for tiles are packed in full.

    Attributes:
        phase: the one that `say` adds to; may be set.
    """

    def __init__(self, *, double: bool, packing: Packing = Packing.FULL) -> None:
        self.program = Program(double, 0)
        self.arguments: list[Argument] = []
        self.phase = Phase.F_BEGIN
        self._packing = packing
        self._named: dict[Argument, int] = {}
        self._matrices: dict[tuple[Argument, int, int, int], int] = {}

    @property
    def stepping(self) -> bool:
        """Whether the phase at work sees one step alone."""
        return self.phase in (Phase.F_STEP, Phase.B_STEP)

    def argument(self, argument: Argument) -> int:
        """The number of an argument."""
        if argument not in self._named:
            self._named[argument] = len(self.arguments)
            self.arguments.append(argument)
        return self._named[argument]

    def buffer(self, kind: Kind, width: int, argument: Argument | None = None) -> int:
        """A new buffer."""
        number = -1 if argument is None else self.argument(argument)
        self.program.buffers.append(Buffer(kind, width, number))
        return len(self.program.buffers) - 1

    def kind(self, buffer: int) -> Kind:
        """What a buffer is."""
        return self.program.buffers[buffer].kind

    def fresh(self, kind: Kind, shape: Shape) -> Location:
        """A buffer for one value."""
        return place.filling(self.buffer(kind, max(1, prod(shape))), shape)

    def local(self, shape: Shape) -> Location:
        """Scratch of the phase at work."""
        return self.fresh(Kind.TILE if self.stepping else Kind.CHUNK, shape)

    def outer(self, kind: Kind, shape: Shape, argument: Argument) -> Location:
        """The caller's memory."""
        return place.filling(self.buffer(kind, prod(shape), argument), shape)

    def matrix(self, w: Node, first: int, K: int) -> int:
        """The matrix (blocks, K, N) of a value without rows, from its row `first` on."""
        *blocks, _, N = w.shape
        argument = Argument("matrix", w, offset=(first, 0))
        key = (argument, prod(blocks), K, N)
        if key not in self._matrices:
            made = Matrix(self.argument(argument), K, N, key[1], self.packing(K, N))
            self._matrices[key] = len(self.program.matrices)
            self.program.matrices.append(made)
        return self._matrices[key]

    def packing(self, *sides: int) -> Packing:
        """How products of a matrix of these sides are computed."""
        small = self._packing is Packing.TILES and min(sides) < TILE_SIDE
        return Packing.FULL if small else self._packing

    def say(
        self,
        code: int,
        n: int,
        d: int,
        operands: Sequence[Operand],
        literal: float = 0.0,
        numbers: tuple[int, ...] = (),
    ) -> None:
        """One instruction; see `program.Instruction`."""
        made = Instruction(int(code), n, d, tuple(operands), literal, numbers)
        self.program.segments.setdefault(self.phase, []).append(made)

    def over(
        self, code: int, shape: Shape, places: Sequence[Location], literal: float = 0.0
    ) -> None:
        """An instruction on every number of a shape."""
        for n, d, operands in place.walks(shape, places):
            self.say(code, n, d, operands, literal)

    def copy(self, target: Location, source: Location) -> None:
        """The same numbers in another place."""
        self.over(NUMBERS["copy"], target.shape, [target, source])

    def fill(self, target: Location) -> None:
        """Zeros."""
        self.over(NUMBERS["fill"], target.shape, [target])

    def load(self, target: Location, source: Location) -> None:
        """Whole rows from the caller."""
        self.say(Code.LOAD, 1, target.width, [target.operand(), source.operand()])

    def store(self, target: Location, source: Location) -> None:
        """Whole rows to the caller."""
        self.say(Code.STORE, 1, target.width, [target.operand(), source.operand()])
