"""States of a stream as bytes.

    magic 8 · version 4 · size of all 8 · size of the header 4 · header, JSON · states · SHA-256 32

Whole numbers and states are little-endian; states follow each other as the header lists them. What
comes back is checked from the outside in: nothing is used before all of it fits.
"""

import hashlib
import json
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from recurra.cells.cell import Cell
from recurra.errors import SnapshotError
from recurra.layers.stack import Stack

MAGIC = b"RCRSTATE"
VERSION = 1
FRONT = struct.Struct("<8sIQI")
DIGEST = 32
MOST_ROWS = 1 << 24


@dataclass(frozen=True)
class Owner:
    """Whose states they are.

    Args:
        name: what an error calls the model.
        outline: a digest of its form.
        weights: a digest of its parameters and buffers.
        shapes: of a row of each state.
    """

    name: str
    outline: str
    weights: str
    dtype: torch.dtype
    shapes: tuple[tuple[int, ...], ...]


def owner_of(cell: Cell[Any], initial: Sequence[Tensor], weights: torch.dtype | None) -> Owner:
    """Whose states a stream of a cell has.

    Args:
        initial: the state of one row.
        weights: what matrices are rounded to.
    """
    parts = [(name, type(part).__name__, _plain(part)) for name, part in cell.named_modules()]
    tensors = dict(cell.state_dict())
    shapes = [(name, tuple(each.shape), str(each.dtype)) for name, each in tensors.items()]
    digest = hashlib.sha256()
    for each in tensors.values():
        digest.update(each.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    outline = repr((parts, shapes, str(weights)))
    return Owner(
        _named(cell),
        hashlib.sha256(outline.encode()).hexdigest(),
        digest.hexdigest(),
        initial[0].dtype if initial else torch.float32,
        tuple(tuple(each.shape[1:]) for each in initial),
    )


def _named(cell: Cell[Any]) -> str:
    """With its sizes, and the layers of a stack."""
    inside = [type(part).__name__ for part in cell.layers] if isinstance(cell, Stack) else []
    sizes = [str(cell.input_size), str(cell.output_size)]
    return f"{type(cell).__name__}({', '.join(inside or sizes)})"


def _plain(part: nn.Module) -> list[tuple[str, object]]:
    """A module's own settings."""
    kinds = (bool, int, float, str)
    own = [(key, value) for key, value in vars(part).items() if isinstance(value, kinds)]
    return [(key, value) for key, value in own if key != "training"]


def write(owner: Owner, states: Sequence[Tensor], rows: int) -> bytes:
    """The states, each (rows, …), as bytes."""
    header = json.dumps(
        {
            "model": owner.name,
            "outline": owner.outline,
            "weights": owner.weights,
            "type": _name(owner.dtype),
            "rows": rows,
        }
    ).encode()
    body = b"".join(_bytes(each) for each in states)
    size = FRONT.size + len(header) + len(body) + DIGEST
    front = FRONT.pack(MAGIC, VERSION, size, len(header))
    whole = front + header + body
    return whole + hashlib.sha256(whole).digest()


def read(
    owner: Owner, data: bytes | bytearray | memoryview, *, same_weights: bool
) -> tuple[int, list[Tensor]]:
    """The number of rows, and the states.

    Raises:
        SnapshotError: the bytes are no snapshot, damaged, or of another model.
    """
    header, body = _open(data)
    _check_owner(owner, header, same_weights=same_weights)
    rows = header.get("rows")
    if type(rows) is not int or not 0 <= rows <= MOST_ROWS:
        raise SnapshotError(f"{_WHERE}: the snapshot says that it has {rows!r} rows")
    sizes = [rows * prod(shape) * owner.dtype.itemsize for shape in owner.shapes]
    if sum(sizes) != len(body):
        raise SnapshotError(
            f"{_WHERE}: the snapshot holds {len(body)} bytes of states, {rows} rows of "
            f"{owner.name} take {sum(sizes)}"
        )
    states, at = [], 0
    for shape, size in zip(owner.shapes, sizes, strict=True):
        states.append(_tensor(body[at : at + size], (rows, *shape), owner.dtype))
        at += size
    return rows, states


_WHERE = "Stream.restore"


def _open(data: Any) -> tuple[dict[str, Any], memoryview]:
    """The header, and the bytes of the states."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SnapshotError(f"{_WHERE}: got a {type(data).__name__}, bytes of snapshot() fit")
    view = memoryview(data).cast("B")
    if bytes(view[: len(MAGIC)]) != MAGIC:
        raise SnapshotError(f"{_WHERE}: these {len(view)} bytes are no snapshot of a stream")
    if len(view) < FRONT.size + DIGEST:
        raise SnapshotError(f"{_WHERE}: the snapshot is cut short, {len(view)} bytes are left")
    _, version, size, length = FRONT.unpack_from(view)
    if version != VERSION:
        raise SnapshotError(f"{_WHERE}: the snapshot is of version {version}, {VERSION} fits")
    if len(view) < size:
        raise SnapshotError(f"{_WHERE}: the snapshot is cut short, {len(view)} of {size} bytes")
    whole = len(view) == size and FRONT.size + length + DIGEST <= size
    if not whole or hashlib.sha256(view[:-DIGEST]).digest() != view[-DIGEST:]:
        raise SnapshotError(f"{_WHERE}: the snapshot is damaged, its checksum does not fit")
    try:
        header = json.loads(bytes(view[FRONT.size : FRONT.size + length]))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise SnapshotError(f"{_WHERE}: the snapshot is damaged, its header cannot be read")
    return header, view[FRONT.size + length : -DIGEST]


def _check_owner(owner: Owner, header: dict[str, Any], *, same_weights: bool) -> None:
    if header.get("outline") != owner.outline or header.get("type") != _name(owner.dtype):
        raise SnapshotError(
            f"{_WHERE}: the snapshot is of another model, {str(header.get('model'))[:200]}; "
            f"this stream runs {owner.name}"
        )
    if same_weights and header.get("weights") != owner.weights:
        raise SnapshotError(
            f"{_WHERE}: the snapshot is of {owner.name} with other weights; "
            "same_weights=False takes it all the same"
        )


def _bytes(state: Tensor) -> bytes:
    numbers = state.cpu().numpy()
    return (numbers if sys.byteorder == "little" else numbers.byteswap()).tobytes()


def _tensor(body: memoryview, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if not body:
        return torch.empty(shape, dtype=dtype)
    found = torch.frombuffer(bytearray(body), dtype=dtype).view(shape)
    if sys.byteorder != "little":
        found = torch.from_numpy(found.numpy().byteswap())
    return found


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
