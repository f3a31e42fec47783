"""Tensors in nested tuples: the shape that states, contexts and inputs take.

A tree is a tensor, `None`, or a (named) tuple of trees.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor

Tree: TypeAlias = Any


def tree_map(f: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """The same tree with `f(leaf, *others' leaves)` in place of every tensor."""
    if isinstance(tree, tuple):
        return rebuilt(tree, (tree_map(f, *parts) for parts in zip(tree, *others, strict=True)))
    return None if tree is None else f(tree, *others)


def leaves(tree: Tree) -> list[Tensor]:
    """The tensors of a tree, from left to right."""
    if not isinstance(tree, tuple):
        return [] if tree is None else [tree]
    found: list[Tensor] = []
    for part in tree:
        if isinstance(part, tuple):
            found += leaves(part)
        elif part is not None:
            found.append(part)
    return found


def dtype_of(state: Tree, x: Tree) -> torch.dtype:
    """The type that a step computes in: of its state, or where it has none of its input."""
    return next(leaf.dtype for leaf in (*leaves(state), *leaves(x)))


def unbind(tree: Tree) -> list[Tree]:
    """One tree per time step from a tree of tensors (B, T, …)."""
    if isinstance(tree, Tensor):
        return list(tree.unbind(1))
    slices = zip(*(leaf.unbind(1) for leaf in leaves(tree)), strict=True)
    return [refill(tree, tensors) for tensors in slices]


def where(rows: Tensor, chosen: Tree, other: Tree) -> Tree:
    """Whole rows of `chosen` where `rows` (B,) is true, of `other` elsewhere."""
    return tree_map(lambda a, b: torch.where(beside(rows, a), a, b), chosen, other)


def clear(dead: Tensor, tree: Tree) -> Tree:
    """Zeros where `dead` (B, T) is true; no gradient passes there, whatever stood there."""
    return tree_map(lambda leaf: leaf.masked_fill(beside(dead, leaf), 0), tree)


def fresh(tree: Tree) -> Tree:
    """Packed, aligned copies in inference; the same tensors while autograd records.

    How a matrix product rounds depends on the strides and on the address of its operands, not on
    their values alone. A step that is to give the same bits whether its input was cut out of a
    long sequence or arrived alone must therefore see it in the same place each time.
    """
    if torch.is_grad_enabled():
        return tree
    return tree_map(lambda leaf: leaf.clone(memory_format=torch.contiguous_format), tree)


def beside(mask: Tensor, leaf: Tensor) -> Tensor:
    """A mask (B, …) with ones behind it, so that it stands beside a leaf of more dimensions."""
    return mask.view(*mask.shape, *[1] * (leaf.ndim - mask.ndim))


def refill(tree: Tree, tensors: Iterable[Tensor]) -> Tree:
    """The same tree with other tensors, from left to right."""
    return _refill(tree, iter(tensors))


def _refill(tree: Tree, each: Iterator[Tensor]) -> Tree:
    if isinstance(tree, tuple):
        return rebuilt(tree, [_refill(part, each) for part in tree])
    return None if tree is None else next(each)


def rebuilt(tree: tuple[Any, ...], parts: Iterable[Any]) -> tuple[Any, ...]:
    """A tuple of the same kind with other parts."""
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
