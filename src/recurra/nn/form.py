"""What a module of torch's is to the engine: a step for each layer and direction."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from recurra.cells import GRU, LSTM, Cell, Elman, ElmanState, GRUState, LSTMState


class Direction(NamedTuple):
    """One layer in one direction.

    Args:
        step: of a cell that has no numbers of its own.
        weights: name in the cell, name in torch's module, and shape.
    """

    step: Callable[..., Any]
    reverse: bool
    weights: tuple[tuple[str, str, tuple[int, ...]], ...]


class Form(NamedTuple):
    """A module's layers.

    Args:
        state: what a direction's state is.
        widths: of each of its parts.
        number: layers times directions.
        fewest: steps that run natively.
    """

    state: Callable[..., Any]
    widths: tuple[int, ...]
    number: int
    fewest: int
    layers: tuple[tuple[Direction, ...], ...]


# Modes that run a single step natively: there is nothing to take ahead, and torch's own is faster,
# but for its LSTM's.
ONE_STEP = ("LSTM",)
STATES = {"RNN_TANH": ElmanState, "RNN_RELU": ElmanState, "GRU": GRUState, "LSTM": LSTMState}


def definition(
    mode: str, input_size: int, hidden_size: int, bias: bool, proj_size: int
) -> Cell[Any]:
    """The cell that a layer of torch's runs, without numbers."""
    sizes = (input_size, hidden_size)
    if mode == "LSTM":
        return LSTM(*sizes, bias=bias, proj_size=proj_size, device="meta")
    if mode == "GRU":
        return GRU(*sizes, bias=bias, device="meta")
    nonlinearity = mode.removeprefix("RNN_").lower()
    return Elman(*sizes, nonlinearity=nonlinearity, bias=bias, device="meta")


@cache
def form(
    mode: str,
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bias: bool,
    bidirectional: bool,
    proj_size: int,
) -> Form:
    """What a torch.nn.RNN, LSTM or GRU of these options is."""
    width = proj_size or hidden_size
    suffixes = ("", "_reverse") if bidirectional else ("",)
    layers = []
    for k in range(num_layers):
        features = width * len(suffixes) if k else input_size
        cell = definition(mode, features, hidden_size, bias, proj_size)
        layers.append(tuple(_direction(cell, f"_l{k}{suffix}", suffix) for suffix in suffixes))
    widths = (width, hidden_size) if mode == "LSTM" else (width,)
    number = num_layers * len(suffixes)
    return Form(STATES[mode], widths, number, 1 if mode in ONE_STEP else 2, tuple(layers))


def _direction(cell: Cell[Any], suffix: str, reverse: str) -> Direction:
    weights = [
        (name, name + suffix, tuple(parameter.shape)) for name, parameter in cell.named_parameters()
    ]
    return Direction(cell.step, bool(reverse), tuple(weights))
