"""A tensor of the recording as a value of the graph, and where the batch stands in its shape."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from recurra.engine.graph import Node, Shape
from recurra.engine.trace import Batch

Size: TypeAlias = int | Batch


class MixingError(Exception):
    """What an operation does across rows."""


@dataclass(frozen=True)
class Value:
    """A tensor of the recording, as a node.

    Args:
        shape: the tensor's, with the batch in it.
        before: row dimensions that stand before the batch inside its own dimension: a dimension
            of 6B rows may be B·6 or 6·B.
    """

    node: Node
    shape: tuple[Size, ...]
    before: int = 1

    @property
    def at(self) -> int | None:
        """The dimension of the batch."""
        found = [k for k, size in enumerate(self.shape) if isinstance(size, Batch)]
        return found[0] if found else None

    @property
    def after(self) -> int:
        """Row dimensions behind the batch inside its own dimension."""
        size = self.shape[self.at] if self.at is not None else None
        return size.times // self.before if isinstance(size, Batch) else 1


def row_shape(value_shape: tuple[Size, ...], before: int = 1) -> Shape:
    """The shape of one row: the batch's dimension gives way to what else lies in it."""
    sizes: list[int] = []
    for size in value_shape:
        if isinstance(size, Batch):
            sizes += [each for each in (before, size.times // before) if each != 1]
        else:
            sizes.append(size)
    return tuple(sizes)


def static(shape: tuple[Size, ...]) -> Shape:
    """The shape when no batch is in it."""
    sizes = tuple(size for size in shape if not isinstance(size, Batch))
    if len(sizes) < len(shape):
        raise MixingError("takes the batch where a fixed size fits")
    return sizes


def dimension(value: Value, dim: int) -> int:
    """A dimension counted from the front."""
    return dim % max(len(value.shape), 1)


def dims_of(value: Value, given: Any) -> list[int]:
    """The dimensions to reduce; all of them when none is given."""
    if given is None or given == []:
        return list(range(len(value.shape)))
    listed = given if isinstance(given, list) else [given]
    return sorted(dimension(value, dim) for dim in listed)


def axes(value: Value) -> list[list[int]]:
    """For each dimension of the tensor those of the row that lie in it."""
    found: list[list[int]] = []
    count = 0
    for size in value.shape:
        parts = 1
        if isinstance(size, Batch):
            parts = (value.before != 1) + (value.after != 1)
        found.append(list(range(count, count + parts)))
        count += parts
    return found


def axis(value: Value, dim: int) -> int:
    """The dimension of the row; never the batch's."""
    if dim == value.at:
        raise MixingError("works along the batch")
    return axes(value)[dim][0]
