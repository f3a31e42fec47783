"""Weights of torch.nn.RNN, LSTM and GRU, loaded by name."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from recurra.errors import ShapeError, UnsupportedError
from recurra.layers.bidirectional import Bidirectional
from recurra.layers.stack import Layer, Stack


def load_torch(layer: Layer, state_dict: Mapping[str, Tensor]) -> None:
    """Copy the weights of a torch.nn.RNN, LSTM or GRU; nothing is copied unless all of them fit.

    Args:
        layer: a cell, a Bidirectional, or a Stack of either, as deep as the torch module.
        state_dict: what the torch module's `state_dict()` returned: weight_ih_l0, …,
            bias_hh_l1_reverse.

    Raises:
        UnsupportedError: the stack holds something else.
        ShapeError: a name is missing or unexpected, or a weight has another shape.
    """
    targets = _targets(layer)
    _check_names(set(targets), set(state_dict))
    for name, parameter in targets.items():
        if parameter.shape != state_dict[name].shape:
            came, fits = tuple(state_dict[name].shape), tuple(parameter.shape)
            raise ShapeError(f"load_torch: {name} has shape {came}, the layer takes {fits}")
    with torch.no_grad():
        for name, parameter in targets.items():
            parameter.copy_(state_dict[name])


def _targets(layer: Layer) -> dict[str, nn.Parameter]:
    """Every parameter under the name that torch gives it."""
    named = {}
    floors = cast(Iterable[Layer], layer.layers) if isinstance(layer, Stack) else [layer]
    for k, floor in enumerate(floors):
        if isinstance(floor, Stack):
            raise UnsupportedError(f"load_torch: layer {k} is a Stack itself, only cells fit there")
        cells: dict[str, nn.Module] = {f"_l{k}": floor}
        if isinstance(floor, Bidirectional):
            cells = {f"_l{k}": floor.forward_cell, f"_l{k}_reverse": floor.backward_cell}
        for suffix, cell in cells.items():
            named.update({name + suffix: weight for name, weight in cell.named_parameters()})
    return named


def _check_names(expected: set[str], came: set[str]) -> None:
    missing, unexpected = sorted(expected - came), sorted(came - expected)
    if missing:
        raise ShapeError(f"load_torch: {', '.join(missing)} missing, the layer takes it")
    if unexpected:
        raise ShapeError(f"load_torch: {', '.join(unexpected)} came, the layer has no such weight")
