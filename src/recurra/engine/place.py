"""Where a value lies in the columns of a buffer, and how an instruction walks over it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from math import prod

from recurra.engine.graph import Node, Shape
from recurra.engine.program import Operand

UNROLLED = 256


class NotNativeError(Exception):
    """An operation has no native form; the message names it."""


@dataclass(frozen=True)
class Location:
    """Columns of a buffer that hold a value.

    Args:
        strides: in columns, one a dimension of the value; 0 repeats.
        after: of a state, the one after the step.
    """

    buffer: int
    offset: int
    shape: Shape
    strides: tuple[int, ...]
    after: bool = False

    @property
    def width(self) -> int:
        """Numbers in the value."""
        return prod(self.shape)

    def operand(self) -> Operand:
        """All columns as one run, or the first of them."""
        return Operand(self.buffer, self.offset, 0, 1, self.after)

    @property
    def end(self) -> int:
        """The column behind the last that it touches."""
        last = sum((s - 1) * k for s, k in zip(self.shape, self.strides, strict=True))
        return self.offset + last + 1

    def meets(self, other: "Location") -> bool:
        """Whether the two may share a column."""
        if (self.buffer, self.after) != (other.buffer, other.after):
            return False
        return self.offset < other.end and other.offset < self.end


def row_major(shape: Shape) -> tuple[int, ...]:
    """Strides of numbers that follow each other."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step if size != 1 else 0)
        step *= size
    return tuple(reversed(strides))


def filling(buffer: int, shape: Shape, *, after: bool = False) -> Location:
    """A value in a buffer of its own, or in the first columns of one."""
    return Location(buffer, 0, shape, row_major(shape), after)


def flat(place: Location) -> Location | None:
    """The place as one run of columns that follow each other, where they do."""
    found = viewed(place, (place.width,))
    if found is None or (place.width > 1 and found.strides != (1,)):
        return None
    return replace(found, strides=(1,))


def wide(piece: Location | int) -> int:
    """The columns of a piece of a value; a number stands for so many zeros."""
    return piece if isinstance(piece, int) else piece.width


def seen(place: Location, view: Node) -> Location | None:
    """Where a view of what lies there lies; None where that needs a copy."""
    if view.op == "permute":
        return permuted(place, view.dims)
    if view.op == "slice":
        return sliced(place, view.at, *view.bounds)
    if view.op == "expand":
        return expanded(place, view.shape)
    return viewed(place, view.shape)


def viewed(place: Location, shape: Shape) -> Location | None:
    """The same columns in another shape, where that needs no copy."""
    groups = merged(place.shape, [place.strides])
    strides: list[int] = []
    sizes = list(shape)
    for size, (stride,) in reversed(groups):
        left = size
        while sizes and left > 1:
            last = sizes.pop()
            if left % last:
                return None
            strides.append(stride if last != 1 else 0)
            stride, left = stride * last, left // last
    strides += [0] * len(sizes)
    if prod(sizes) != 1:
        return None
    return replace(place, shape=shape, strides=tuple(reversed(strides)))


def permuted(place: Location, order: Sequence[int]) -> Location:
    """Dimensions in another order."""
    return replace(
        place,
        shape=tuple(place.shape[k] for k in order),
        strides=tuple(place.strides[k] for k in order),
    )


def sliced(place: Location, at: int, start: int, stop: int) -> Location:
    """Some columns along one dimension."""
    shape = (*place.shape[:at], stop - start, *place.shape[at + 1 :])
    strides = place.strides
    if stop - start == 1:
        strides = (*strides[:at], 0, *strides[at + 1 :])
    return replace(
        place, offset=place.offset + start * place.strides[at], shape=shape, strides=strides
    )


def expanded(place: Location, shape: Shape) -> Location:
    """Repeated along dimensions of size 1."""
    strides = (0,) * (len(shape) - len(place.shape)) + place.strides
    padded = (1,) * (len(shape) - len(place.shape)) + place.shape
    kept = tuple(
        stride if size == whole else 0
        for stride, size, whole in zip(strides, padded, shape, strict=True)
    )
    return replace(place, shape=shape, strides=kept)


def merged(shape: Shape, strides: Sequence[tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
    """Dimensions joined where all walk on without a jump; those of size 1 are gone."""
    found: list[tuple[int, tuple[int, ...]]] = []
    for k, size in enumerate(shape):
        if size == 1:
            continue
        here = tuple(each[k] for each in strides)
        if found:
            before, outer = found[-1]
            if all(a == b * size for a, b in zip(outer, here, strict=True)):
                found[-1] = (before * size, here)
                continue
        found.append((size, here))
    return found


def side_by_side(shape: Shape, places: Sequence[Location], count: int) -> bool:
    """Whether the last `count` dimensions are one walk, and what comes before lies side by side.

    Then the numbers along the walk may lie apart: a lane of a vector takes one after another.
    """
    strides = [place.strides for place in places]
    outer, inner = shape[:-count], shape[-count:]
    before = merged(outer, [each[:-count] for each in strides])
    within = merged(inner, [each[-count:] for each in strides])
    return len(within) == 1 and bool(before) and all(stride in (0, 1) for stride in before[-1][1])


def walks(shape: Shape, places: Sequence[Location]) -> Iterator[tuple[int, int, list[Operand]]]:
    """Groups, columns and operands of the instructions that visit every number of a shape.

    Raises:
        NotNativeError: it would take too many.
    """
    wide = [expanded(place, shape) for place in places]
    dims = merged(shape, [place.strides for place in wide])
    columns: tuple[int, tuple[int, ...]] = (1, (1,) * len(wide))
    if dims and all(stride in (0, 1) for stride in dims[-1][1]) and dims[-1][1][0] == 1:
        columns = dims.pop()
    # Numbers may be visited in any order: the longest dimension costs one instruction.
    groups = (1, (0,) * len(wide))
    if dims:
        groups = dims.pop(max(range(len(dims)), key=lambda k: dims[k][0]))
    if prod(size for size, _ in dims) > UNROLLED:
        raise NotNativeError(f"a walk over {shape}")
    for index in combinations(*(range(size) for size, _ in dims)):
        operands = []
        for k, place in enumerate(wide):
            moved = sum(i * strides[k] for i, (_, strides) in zip(index, dims, strict=True))
            column = columns[1][k]
            operands.append(
                Operand(place.buffer, place.offset + moved, groups[1][k], column, place.after)
            )
        yield groups[0], columns[0], operands
