"""What of a context all rows share: to a plan it is a parameter, which comes with the call.

So what it decides alone, such as a matrix under its mask, is computed once a call, and a sum over
all rows is its gradient.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor

from recurra.engine.tree import Tree, rebuilt

# No parameter has such a name.
PREFIX = "context:"


class Shared(NamedTuple):
    """A tensor of a context without rows, of any shape, such as a mask on a parameter."""

    value: Tensor


def taken(context: Tree) -> tuple[dict[str, Tensor], Tree]:
    """The shared tensors by name, and the context without them."""
    if context is None or isinstance(context, Tensor):
        return {}, context
    found: list[Tensor] = []
    rest = _map(context, found)
    return {f"{PREFIX}{k}": each for k, each in enumerate(found)}, rest if found else context


def given_back(context: Tree, values: Sequence[Tensor]) -> Tree:
    """The context with its shared tensors again."""
    return _fill(context, iter(values)) if values else context


def _map(tree: Tree, found: list[Tensor]) -> Tree:
    if isinstance(tree, Shared):
        if tree.value is not None:
            found.append(tree.value)
        # A blank, which only traces see.
        return rebuilt(tree, [None])
    if not isinstance(tree, tuple):
        return tree
    return rebuilt(tree, [_map(each, found) for each in tree])


def _fill(tree: Tree, values: Iterator[Tensor]) -> Tree:
    if isinstance(tree, Shared):
        return Shared(next(values))
    if not isinstance(tree, tuple):
        return tree
    return rebuilt(tree, [_fill(each, values) for each in tree])
