"""From a module's step to its graph, once for all modules that are alike."""

import inspect
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call

from recurra.engine.collector import waiting
from recurra.engine.graph import Node, ancestors
from recurra.engine.half import rounded
from recurra.engine.look import MODULE_OWN, PLAIN, hooks_of
from recurra.engine.meaning import Step, Translator
from recurra.engine.plan import Plan
from recurra.engine.rules import RULES
from recurra.engine.shared import PREFIX, given_back
from recurra.engine.simplify import simplify
from recurra.engine.trace import BATCHES, UnknownOperationError, record
from recurra.engine.tree import Tree, dtype_of, leaves, tree_map, where

# How many tensors are parameters, x, state and context.
Counts = tuple[int, int, int, int]


class Wanted(NamedTuple):
    """Which gradients are asked for: one truth a parameter, an input, a context tensor."""

    parameters: tuple[bool, ...]
    x: tuple[bool, ...]
    context: tuple[bool, ...]


@dataclass
class Traced:
    """A step's graph, and the plans made of it.

    All plans share one graph, so that the same sums are taken in the same order: what a gradient
    is asked of changes no bit of an output.

    Args:
        step: with every gradient; without any when torch cannot differentiate it here.
        counts: of the tensors that it is given.
        dtype: their type; truth values become numbers of it.
        truths: whether there are truth values among them.
    """

    step: Step
    counts: Counts
    dtype: torch.dtype
    truths: bool = False
    plans: dict[Wanted | None, Plan] = field(default_factory=dict)
    machines: dict[Hashable, Any] = field(default_factory=dict)
    names: dict[Hashable, str] = field(default_factory=dict)
    wanted: dict[tuple[bool, ...], Wanted] = field(default_factory=dict)

    @property
    def inference(self) -> Plan:
        """The plan of y and state alone."""
        return self.plan(None)

    @cached_property
    def rounded(self) -> Plan:
        """The same with matrices rounded to bfloat16."""
        return rounded(self.inference)

    def plan(self, wanted: Wanted | None) -> Plan:
        """The plan that gives these gradients; None for none."""
        if wanted not in self.plans:
            self.plans[wanted] = Plan(Step(self.step.graph, self._outputs(wanted)), self.users)
        return self.plans[wanted]

    @cached_property
    def users(self) -> Counter[Node]:
        """How often each value is read, by other operations or as a result."""
        results = [n for nodes in self.step.outputs.values() for n in nodes if n is not None]
        found = Counter(results)
        for node in ancestors(results):
            found.update(node.inputs)
        return found

    def _outputs(self, wanted: Wanted | None) -> dict[str, list[Node | None]]:
        outputs = self.step.outputs
        if wanted is None:
            return {kind: outputs[kind] for kind in ("y", "state")}
        asked = {"dparameter": wanted.parameters, "dx": wanted.x, "dcontext": wanted.context}
        return outputs | {
            kind: [node if yes else None for node, yes in zip(outputs[kind], truths, strict=True)]
            for kind, truths in asked.items()
        }


@cache
def resetting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The step that first begins anew where a column of x says so."""

    def step(module: nn.Module, x: Tree, state: Tree, context: Tree) -> tuple[Tensor, Tree]:
        (x, begins), (context, initial) = x, context
        made: tuple[Tensor, Tree] = function(module, x, where(begins, initial, state), context)
        return made

    return step


class _Stepper(nn.Module):
    """A module whose call is the step of another."""

    def __init__(self, module: nn.Module, step: Callable[..., Any]) -> None:
        super().__init__()
        self.module = module
        self.step = step

    def forward(self, *arguments: Any) -> Any:
        return self.step(self.module, *arguments)


_TRACED: dict[Hashable, Traced | str] = {}
_OWN: "WeakKeyDictionary[nn.Module, dict[Hashable, Traced | str]]" = WeakKeyDictionary()


def traced(
    module: nn.Module,
    step: Callable[..., Any],
    tensors: dict[str, Tensor],
    x: Tree,
    state: Tree,
    context: Tree,
) -> Traced | str:
    """The graph of a module's step for inputs of these shapes; else why there is none.

    Args:
        step: the function behind the bound method, `step(module, x, state, context)`.
        tensors: the module's parameters and buffers, and behind them what of the context is shared,
            which the context has no more.
        x: (B, T, …).
    """
    settings, whole = _settings(module)
    shapes = tuple((name, each.shape, each.dtype) for name, each in tensors.items())
    key = (step, shapes, outline(x, 2), outline(state), outline(context), settings)
    cache = _TRACED if whole else _OWN.setdefault(module, {})
    if key not in cache:
        first = tree_map(lambda leaf: leaf[:, 0], x)
        cache[key] = _trace(module, step, tensors, first, state, context)
    return cache[key]


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, each once."""
    if not module._modules:
        own: dict[str, Any] = {**module._parameters, **module._buffers}
        each = set(map(id, own.values()))
        if len(each) == len(own) and id(None) not in each:
            return own
    found: dict[str, Tensor] = {}
    _collect(module, "", found, set())
    return found


def _collect(module: nn.Module, prefix: str, found: dict[str, Tensor], seen: set[int]) -> None:
    for own in (module._parameters, module._buffers):
        for name, tensor in own.items():
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                found[prefix + name] = tensor
    for name, child in module._modules.items():
        if child is not None:
            _collect(child, f"{prefix}{name}.", found, seen)


def _trace(
    module: nn.Module,
    step: Callable[..., Any],
    tensors: dict[str, Tensor],
    x: Tree,
    state: Tree,
    context: Tree,
) -> Traced | str:
    dtypes = {each.dtype for each in leaves(state)} or {dtype_of(state, x)}
    # A count that no row reads, such as a norm's, may be a whole number.
    dtypes |= {each.dtype for each in tensors.values() if not _whole(each)}
    if len(dtypes - {torch.bool}) > 1:
        return f"tensors of {len(dtypes)} types"
    stepper = _Stepper(module, step)
    names = [f"module.{name}" for name in tensors if not name.startswith(PREFIX)]
    own = len(names)

    def pure(weights: list[Tensor], x: Tree, state: Tree, context: Tree) -> Any:
        named = dict(zip(names, weights[:own], strict=True))
        return functional_call(stepper, named, (x, state, given_back(context, weights[own:])))

    dtype = str(dtype_of(state, x))
    weights = list(tensors.values())
    try:
        with waiting(), _no_hooks():
            small, large = (record(pure, batch, weights, x, state, context) for batch in BATCHES)
            found = simplify(Translator(RULES, small, large, dtype).translate())
    except UnknownOperationError as error:
        return str(error)
    if small.written:
        return f"{small.written}: writing into a buffer"
    used = ancestors(n for nodes in found.outputs.values() for n in nodes if n is not None)
    read = [weights[n.leaf.index] for n in used if n.op == "leaf" and n.leaf.kind == "parameter"]
    if any(map(_whole, read)):
        return "a buffer of whole numbers"
    every = [weights, *map(leaves, (x, state, context))]
    truths = any(each.dtype == torch.bool for some in every for each in some)
    P, X, S, C = map(len, every)
    return Traced(found, (P, X, S, C), dtype_of(state, x), truths)


def _whole(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() and not tensor.is_complex() and tensor.dtype != torch.bool


def _no_hooks() -> AbstractContextManager[object]:
    """Hooks on what autograd saves, such as those of a checkpoint, are about runs, not traces."""
    # Inside torch.func there are none, and none may be set.
    autograd: Any = torch._C._autograd
    if not autograd._saved_tensors_hooks_is_enabled():
        return nullcontext()
    return saved_tensors_hooks(_itself, _itself)


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def outline(tree: Tree, lead: int = 1) -> Hashable:
    """What matters of a tree of tensors: its form, and the shape of a row."""
    if isinstance(tree, tuple):
        return (type(tree), *(outline(part, lead) for part in tree))
    return None if tree is None else (tuple(tree.shape[lead:]), tree.dtype)


def _settings(module: nn.Module) -> tuple[Hashable, bool]:
    """Everything plain that a step may read, and whether that is all that it may read."""
    found: list[Any] = [type(module)]
    whole = True
    for key, value in vars(module).items():
        if key not in MODULE_OWN:
            plain = value if type(value) in PLAIN else _frozen(value)
            whole = whole and plain is not _OTHER
            found.append((key, plain))
    for key, child in module._modules.items():
        if child is None:
            found.append((key, None))
            continue
        inner, fine = _settings(child)
        hooks = _frozen(hooks_of(child))
        whole = whole and fine and hooks is not _OTHER
        found.append((key, inner, hooks))
    return tuple(found), whole


def plain_settings(module: nn.Module) -> tuple[str, ...]:
    """The names of a module's own plain attributes."""
    plain = (*PLAIN, tuple, list)
    return tuple(
        key
        for key, value in vars(module).items()
        if key not in MODULE_OWN and type(value) in plain and _frozen(value) is not _OTHER
    )


_OTHER = object()


def _frozen(value: Any) -> Hashable:
    if any(isinstance(value, kind) for kind in PLAIN):
        plain: Hashable = value
        return plain
    if isinstance(value, tuple | list):
        parts = tuple(_frozen(each) for each in value)
        return _OTHER if _OTHER in parts else parts
    if inspect.isfunction(value) or inspect.isbuiltin(value) or isinstance(value, type):
        return value
    return _OTHER
