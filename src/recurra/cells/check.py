"""What a sequence must look like, checked once at the door."""

from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from recurra.cells.timed import Observed, Timed
from recurra.engine import Tree, autocasts, leaves, tree_map
from recurra.errors import OptionError, ShapeError

State = TypeVar("State", bound=tuple[Any, ...], covariant=True)


@runtime_checkable
class Sized(Protocol[State]):
    """Anything over time: what it takes, and the state that it starts from.

    Attributes:
        ids: x is (B, T) whole numbers below `input_size`, not features.
        x_shape: shape of one row and step of x, where it is another than (F,).
        takes: the NamedTuples that x may be in the place of a tensor, where that is checked.
    """

    input_size: int
    ids: bool
    x_shape: tuple[int, ...] | None
    takes: tuple[type, ...]

    def initial_state(self, batch_size: int) -> State: ...


def admit(
    where: str,
    cell: Sized[State],
    x: Tree,
    state: Tree,
    lengths: Tensor | None,
    reset: Tensor | None,
) -> State:
    """Refuse what does not fit; return the cell's initial state for this batch.

    Args:
        where: the name that begins every message.
    """
    B, T = _check_shape(where, cell, x)
    initial = cell.initial_state(B)
    if not cell.ids:
        _check_dtype(where, x, initial)
    if state is not None:
        _check_state(f"{where}: state", state, initial)
    if lengths is not None:
        _check_lengths(where, lengths, B, T)
    if reset is not None:
        _check_reset(where, reset, B, T)
    return initial


def as_initial(tree: Tree, initial: Tree) -> Tree:
    """Under autocast the tree in the type of the initial state; else as it is."""
    first = next((leaf for leaf in leaves(initial) if leaf.is_floating_point()), None)
    if first is None or not autocasts(first.device.type):
        return tree
    return tree_map(lambda leaf: leaf.to(first.dtype) if leaf.is_floating_point() else leaf, tree)


def positive(where: str, **sizes: int) -> None:
    """Refuse a size below 1.

    Raises:
        OptionError: naming the size.
    """
    for name, size in sizes.items():
        if size < 1:
            raise OptionError(f"{where}: {name} is {size}, it must be at least 1")


def _check_shape(where: str, cell: Sized[State], x: Tree) -> tuple[int, int]:
    if cell.ids:
        return _check_ids(where, x)
    if not isinstance(x, Tensor):
        return _check_fields(where, cell, x)
    return _check_value(where, "x", cell, x)


def _check_value(where: str, name: str, cell: Sized[State], x: Tensor) -> tuple[int, int]:
    takes = (cell.input_size,) if cell.x_shape is None else cell.x_shape
    if x.ndim != 2 + len(takes) or (cell.x_shape is not None and x.shape[2:] != takes):
        sizes = ", ".join(map(str, takes))
        raise ShapeError(f"{where}: {name} has shape {_show(x)}, the cell takes (B, T, {sizes})")
    if x.shape[2:] != takes:
        raise ShapeError(f"{where}: {name} has {x.shape[2]} features, the cell takes {takes[0]}")
    return x.shape[0], x.shape[1]


def _check_ids(where: str, x: Tree) -> tuple[int, int]:
    if not isinstance(x, Tensor) or x.ndim != 2 or x.is_floating_point() or x.dtype == torch.bool:
        came = f"{_name(x.dtype)} {_show(x)}" if isinstance(x, Tensor) else type(x).__name__
        raise ShapeError(f"{where}: x is {came}, the cell takes whole numbers (B, T)")
    return x.shape[0], x.shape[1]


def _check_fields(where: str, cell: Sized[State], x: Tree) -> tuple[int, int]:
    known = isinstance(x, cell.takes) if cell.takes else isinstance(x, tuple)
    if not known or not leaves(x):
        fits = " or ".join(["a tensor (B, T, F)", *(f"a {each.__name__}" for each in cell.takes)])
        raise ShapeError(f"{where}: x is a {type(x).__name__}, the cell takes {fits}")
    if isinstance(x, Timed | Observed):
        return _check_timed(where, cell, x)
    B, T = leaves(x)[0].shape[:2]
    for leaf in leaves(x):
        if leaf.shape[:2] != (B, T):
            raise ShapeError(f"{where}: x has a part {_show(leaf)} beside others ({B}, {T}, …)")
    return B, T


def _check_timed(where: str, cell: Sized[State], x: "Timed | Observed") -> tuple[int, int]:
    for name, part in zip(x._fields, x, strict=True):
        if not isinstance(part, Tensor):
            raise ShapeError(f"{where}: x.{name} is a {type(part).__name__}, a tensor fits")
    B, T = _check_value(where, "x.value", cell, x.value)
    if isinstance(x, Observed) and x.seen.shape != x.value.shape:
        came, fits = _show(x.seen), _show(x.value)
        raise ShapeError(f"{where}: x.seen has shape {came}, x.value {fits}")
    if isinstance(x, Observed) and x.seen.dtype != torch.bool:
        raise ShapeError(f"{where}: x.seen is {_name(x.seen.dtype)}, bool fits")
    # Another shape could be spread over the wrong axis, and nobody would see it.
    if x.gap.shape not in ((B, T), (B, T, 1)):
        fits = f"({B}, {T}) or ({B}, {T}, 1)"
        raise ShapeError(f"{where}: x.gap has shape {_show(x.gap)}, {fits} fits")
    return B, T


def _check_dtype(where: str, x: Tree, initial: Tree) -> None:
    parts = {"x": x} if isinstance(x, Tensor) else {}
    if isinstance(x, Timed | Observed):
        parts = {"x.value": x.value, "x.gap": x.gap}
    for leaf in leaves(initial):
        # Without a floating-point state there is nothing to compare with.
        if leaf.is_floating_point():
            for name, part in parts.items():
                if not _fits(part, leaf.dtype):
                    came, takes = _name(part.dtype), _name(leaf.dtype)
                    raise ShapeError(f"{where}: {name} is {came}, the cell takes {takes}")
            return


def _check_state(where: str, state: Tree, initial: Tree) -> None:
    if not isinstance(initial, tuple):
        return _check_leaf(where, state, initial)
    kind = type(initial).__name__
    if not isinstance(state, type(initial)):
        raise ShapeError(f"{where} is a {type(state).__name__}, the cell takes a {kind}")
    if len(state) != len(initial):
        raise ShapeError(f"{where} has {len(state)} parts, the cell takes {len(initial)}")
    fields = getattr(initial, "_fields", None)
    for k, part in enumerate(state):
        name = f".{fields[k]}" if fields else f"[{k}]"
        _check_state(where + name, part, initial[k])
    return None


def _check_leaf(where: str, state: Tree, initial: Tensor | None) -> None:
    if initial is None:
        return
    if not isinstance(state, Tensor):
        raise ShapeError(f"{where} is a {type(state).__name__}, the cell takes a tensor")
    if state.shape != initial.shape:
        raise ShapeError(f"{where} has shape {_show(state)}, this batch takes {_show(initial)}")
    if not _fits(state, initial.dtype):
        raise ShapeError(f"{where} is {_name(state.dtype)}, the cell takes {_name(initial.dtype)}")


def _fits(came: Tensor, takes: torch.dtype) -> bool:
    if came.dtype == takes:
        return True
    cast = autocasts(came.device.type)
    return cast and came.is_floating_point() and takes.is_floating_point


def _check_lengths(where: str, lengths: Tensor, B: int, T: int) -> None:
    if not isinstance(lengths, Tensor):
        raise ShapeError(f"{where}: lengths is a {type(lengths).__name__}, a tensor ({B},) fits")
    if lengths.shape != (B,):
        raise ShapeError(f"{where}: lengths has shape {_show(lengths)}, this batch takes ({B},)")
    if lengths.dtype != torch.int64:
        raise ShapeError(f"{where}: lengths is {_name(lengths.dtype)}, int64 fits")
    # Under a compiler, and inside vmap, nobody may look at a value.
    if not _readable(lengths):
        return
    if B and not 0 <= int(lengths.min()) <= int(lengths.max()) <= T:
        low, high = int(lengths.min()), int(lengths.max())
        raise ShapeError(f"{where}: lengths range from {low} to {high}, x has 0 to {T} steps")


def _readable(tensor: Tensor) -> bool:
    return not torch.compiler.is_compiling() and not torch._C._functorch.is_batchedtensor(tensor)


def _check_reset(where: str, reset: Tensor, B: int, T: int) -> None:
    if not isinstance(reset, Tensor):
        raise ShapeError(f"{where}: reset is a {type(reset).__name__}, a tensor ({B}, {T}) fits")
    if reset.shape != (B, T):
        raise ShapeError(f"{where}: reset has shape {_show(reset)}, x takes ({B}, {T})")
    if reset.dtype != torch.bool:
        raise ShapeError(f"{where}: reset is {_name(reset.dtype)}, bool fits")


def _show(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
