"""Every attention, and every decoder made of one."""

from typing import NamedTuple

import torch

from recurra.cells import GRU, LSTM, Cell
from recurra.engine import tree_map
from recurra.layers import RecurrentDropout, Zoneout
from recurra.layers.attention import (
    Additive,
    Attending,
    Covering,
    Location,
    Luong,
    Memory,
    Monotonic,
    MultiHead,
    Reading,
    SoftWindow,
)

F, H, E, S = 3, 4, 4, 5
ATTENTIONS = {
    "additive": lambda: Additive(H, E, 6),
    "luong, dot": lambda: Luong(H, E, "dot"),
    "luong, general": lambda: Luong(H, E, "general"),
    "luong, concat": lambda: Luong(H, E, "concat", hidden_size=7),
    "location": lambda: Location(H, E, 6, S, filters=3, width=3),
    "location, smooth": lambda: Location(H, E, 6, S + 3, filters=2, width=7, smooth=True),
    "covering": lambda: Covering(H, E, 6, S + 2),
    "monotonic": lambda: Monotonic(H, E, 6, S, noise=0.7, offset=0.3),
    "monotonic, without noise": lambda: Monotonic(H, E, 6, S + 2, noise=0.0, offset=0.3),
    "soft window": lambda: SoftWindow(H, E, 3),
    "multi-head": lambda: MultiHead(H, E, 6, 2),
}


def first(make):
    attention = make()
    return Attending(GRU(F + attention.output_size, H), attention)


def after(make):
    attention = make()
    return Attending(LSTM(F + attention.output_size, H), attention, first=False, show=S)


def combined(make):
    cell = Zoneout(RecurrentDropout(LSTM(F + H, H), 0.4), 0.3)
    return Attending(cell, make(), first=False, combine=True)


def apart(make):
    return Attending(GRU(F, H), make(), first=False, feed=False)


def alone(make):
    return Reading(make(), show=S + 1)


SHAPES = {"first": first, "after": after, "combined": combined, "apart": apart, "alone": alone}


class Case(NamedTuple):
    """A cell and the arguments of one sequence, as `tests.engine.truth` takes it."""

    cell: Cell
    x: torch.Tensor
    state: object
    context: object


def memory_of(B, dtype=torch.float64):
    there = torch.rand(B, S) < 0.6
    there[:, 1] = True
    there[1] = False
    return Memory(torch.randn(B, S, E, dtype=dtype, requires_grad=True), there)


def case(shape, name, B, T, *, train=True, dtype=torch.float64):
    torch.manual_seed(0)
    cell = SHAPES[shape](ATTENTIONS[name]).to(dtype).train(train)
    x = torch.randn(B, T, cell.input_size, dtype=dtype, requires_grad=True)
    state = tree_map(
        lambda part: (part + torch.randint(0, 8, part.shape) / 8).detach().requires_grad_(),
        cell.initial_state(B),
    )
    memory = memory_of(B, dtype)
    return Case(cell, x, state, watched(cell.reading(memory)))


def watched(context):
    """Every part of it with a gradient of its own, as tests want it."""
    return tree_map(lambda part: part.detach().requires_grad_(part.is_floating_point()), context)
