"""What a call found for a module, which holds as long as everything looks as it did then.

Whatever a trace depends on is looked at anew at every call: a tensor may have got another type in
its place, a plain attribute another value, a module another one inside.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import isbuiltin, isfunction
from operator import is_
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from recurra.engine.tree import Tree

Found = TypeVar("Found")

PLAIN: frozenset[type] = frozenset(
    (int, float, str, bool, bytes, type(None), torch.dtype, torch.device)
)
MODULE_OWN = frozenset(vars(nn.Module())) - {"training"}
TENSORS = (Tensor, nn.Parameter)
# For `map`, which asks all tensors in one go.
SHAPE, DTYPE, ON_CPU = (
    vars(torch._C.TensorBase)[name].__get__ for name in ("shape", "dtype", "is_cpu")
)


@dataclass(slots=True)
class Look:
    """A module without its numbers: its class, its attributes, and the modules in it.

    It holds plain values alone, which never change: the same objects are the same values. So it
    does not hold the module, whose memory it is to leave with.
    """

    kind: type
    names: list[str]
    plain: list[str]
    values: list[Any]
    children: "list[tuple[str, Look | None]]"

    def same(self, module: nn.Module) -> bool:
        """Whether a module looks so."""
        own = vars(module)
        return (
            type(module) is self.kind
            and [*own] == self.names
            and all(map(is_, map(own.__getitem__, self.plain), self.values))
            and self._same_children(own["_modules"])
        )

    def _same_children(self, children: Mapping[str, nn.Module | None]) -> bool:
        if len(children) != len(self.children):
            return False
        for (key, child), (name, look) in zip(children.items(), self.children, strict=True):
            if key != name or (child is None) is not (look is None):
                return False
            if child is not None and look is not None and (hooks_of(child) or not look.same(child)):
                return False
        return True


def look_at(module: nn.Module) -> Look | None:
    """How it looks; None where a part can change and stay the same object."""
    own = vars(module)
    plain = [key for key in own if key not in MODULE_OWN]
    values = [own[key] for key in plain]
    children: list[tuple[str, Look | None]] = []
    for name, child in module._modules.items():
        look = None if child is None else look_at(child)
        if child is not None and (look is None or hooks_of(child)):
            return None
        children.append((name, look))
    return Look(type(module), [*own], plain, values, children) if all(map(_fixed, values)) else None


def hooks_of(module: nn.Module) -> list[Any]:
    """What a call of a module calls as well."""
    return [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]


def _fixed(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_fixed, value))
    return type(value) in PLAIN or isfunction(value) or isbuiltin(value) or isinstance(value, type)


class Given:
    """What a call is given, as one list of tensors: parameters, x, state and context.

    Attributes:
        tensors: what lies deeper in a tree than its first parts is no tensor yet.
        first: which is the first of x, and of the state.
    """

    __slots__ = ("first", "names", "tensors", "trees")

    def __init__(
        self, parameters: Mapping[str, Tensor], x: Tree, state: Tree, context: Tree
    ) -> None:
        self.names = [*parameters]
        self.trees = (type(x), type(state), type(context))
        self.tensors: list[Any] = [*parameters.values()]
        begin = len(self.tensors)
        self._add(x)
        self.first = (begin, len(self.tensors))
        self._add(state)
        self._add(context)

    def _add(self, tree: Tree) -> None:
        if isinstance(tree, tuple):
            self.tensors += tree
        elif tree is not None:
            self.tensors.append(tree)

    def rows(self, shapes: list[torch.Size]) -> list[Any]:
        """Shapes of parameters and of rows."""
        x, state = self.first
        inputs, others = shapes[x:state], shapes[state:]
        return [*shapes[:x], [one[2:] for one in inputs], [one[1:] for one in others]]


@dataclass(slots=True)
class Known(Generic[Found]):
    """What a call found, and all that it depended on: of `Given`, tensors alone."""

    found: Found
    step: Callable[..., Any]
    look: Look
    trees: tuple[type, type, type]
    names: list[str]
    kinds: list[type]
    dtypes: list[torch.dtype]
    shapes: list[torch.Size]
    rows: list[Any]

    def holds(self, module: nn.Module, step: Callable[..., Any], given: Given) -> bool:
        """Whether this call would find the same."""
        tensors = given.tensors
        return (
            step is self.step
            and given.trees == self.trees
            and given.names == self.names
            and [*map(type, tensors)] == self.kinds
            and [*map(DTYPE, tensors)] == self.dtypes
            and all(map(ON_CPU, tensors))
            and self._has(given)
            and self.look.same(module)
        )

    def _has(self, given: Given) -> bool:
        """Whether shapes fit: mostly all are what they were, else those of rows must be."""
        shapes = [*map(SHAPE, given.tensors)]
        if shapes == self.shapes:
            return True
        if given.rows(shapes) != self.rows:
            return False
        self.shapes = shapes
        return True


_KNOWN: "WeakKeyDictionary[nn.Module, Known[Any]]" = WeakKeyDictionary()


def recall(module: nn.Module, step: Callable[..., Any], given: Given) -> Any | None:
    """What the last call found, if this one would find the same."""
    known = _KNOWN.get(module)
    return known.found if known is not None and known.holds(module, step, given) else None


def remember(module: nn.Module, step: Callable[..., Any], given: Given, found: Any) -> None:
    """Keep what a call found, where a look can tell whether it holds."""
    tensors, look = given.tensors, look_at(module)
    kinds = [*map(type, tensors)]
    if look is None or not all(issubclass(kind, Tensor) for kind in kinds):
        return
    if all(map(ON_CPU, tensors)):
        shapes, dtypes = [*map(SHAPE, tensors)], [*map(DTYPE, tensors)]
        seen = (given.trees, given.names, kinds, dtypes, shapes, given.rows(shapes))
        _KNOWN[module] = Known(found, step, look, *seen)
