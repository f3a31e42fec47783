"""A module of torch's as a stack of cells: for streams, and for whatever else takes cells."""

from typing import Any

from torch import nn

from recurra.cells import Cell
from recurra.layers import Bidirectional, Stack
from recurra.nn.form import definition


def stack_of(module: nn.RNNBase) -> Stack:
    """The same layers with the same parameters; of a parametrised weight its present value.

    Dropout is that of `Stack`: while training it drops the same values over all time.
    """
    width = module.proj_size or module.hidden_size
    layers: list[Any] = []
    for k in range(module.num_layers):
        features = width * (1 + module.bidirectional) if k else module.input_size
        cells = [
            _cell(module, features, f"_l{k}{suffix}")
            for suffix in ("", "_reverse")[: 1 + module.bidirectional]
        ]
        layers.append(Bidirectional(*cells) if module.bidirectional else cells[0])
    return Stack(layers, dropout=module.dropout).train(module.training)


def _cell(module: nn.RNNBase, features: int, suffix: str) -> Cell[Any]:
    cell = definition(module.mode, features, module.hidden_size, module.bias, module.proj_size)
    for name, _ in list(cell.named_parameters()):
        weight = getattr(module, name + suffix)
        plain = isinstance(weight, nn.Parameter)
        setattr(cell, name, weight if plain else nn.Parameter(weight.detach(), False))
    return cell
