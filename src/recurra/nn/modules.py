"""RNN, LSTM and GRU: torch.nn's own classes with a native forward.

All but the forward is torch's: arguments, parameters, checks, pickles. Nothing is added to an
object, so that giving it another class is all that `accelerate` does.
"""

from typing import Any

import torch
from torch import nn

from recurra.layers import Stack
from recurra.nn.plain import unseen
from recurra.nn.sequence import sequence
from recurra.nn.stack import stack_of


class RNN(nn.RNN):
    """torch.nn.RNN, natively where that is possible."""

    @unseen
    def forward(self, input: Any, hx: Any = None) -> Any:
        return _forward(nn.RNN, self, input, hx)

    def as_stack(self) -> Stack:
        """The same layers as cells, with the same parameters."""
        return stack_of(self)

    def __prepare_scriptable__(self) -> Any:
        return _as(nn.RNN, self)


class LSTM(nn.LSTM):
    """torch.nn.LSTM, natively where that is possible."""

    @unseen
    def forward(self, input: Any, hx: Any = None) -> Any:
        return _forward(nn.LSTM, self, input, hx)

    def as_stack(self) -> Stack:
        """The same layers as cells, with the same parameters."""
        return stack_of(self)

    def __prepare_scriptable__(self) -> Any:
        return _as(nn.LSTM, self)


class GRU(nn.GRU):
    """torch.nn.GRU, natively where that is possible."""

    @unseen
    def forward(self, input: Any, hx: Any = None) -> Any:
        return _forward(nn.GRU, self, input, hx)

    def as_stack(self) -> Stack:
        """The same layers as cells, with the same parameters."""
        return stack_of(self)

    def __prepare_scriptable__(self) -> Any:
        return _as(nn.GRU, self)


def _forward(kind: Any, module: Any, input: Any, hx: Any) -> Any:
    """What the module gives: the engine's, or that of its kind in torch."""
    found = sequence(module, input, hx)
    found = _leaf(module, input, hx) if found is None else found
    return kind.forward(module, input, hx) if found is None else found


def _as(kind: Any, module: Any) -> Any:
    """The module itself, torch's own again: a script holds torch's operations alone."""
    if type(module).__bases__[0] is kind:
        module.__class__ = kind
    return module


def _leaf(module: nn.Module, input: Any, hx: Any) -> Any:
    """A call as torch.fx writes it down, of a leaf as torch.nn's modules are; None of a tensor."""
    if not isinstance(input, torch.fx.Proxy):
        return None
    tracer: Any = input.tracer
    given = (input,) if hx is None else (input, hx)
    return tracer.create_proxy("call_module", tracer.path_of_module(module), given, {})
