"""A cell made of operations drawn at random, as a short program that reads itself step by step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from recurra.cells import Cell

WIDTHS = (1, 2, 3, 5)
WIDEST = 12


class Instruction(NamedTuple):
    """An operation, and three values that it may read, counted from the newest."""

    operation: str
    a: int
    b: int
    c: int


class Program(NamedTuple):
    """A step: values begin as x and the states; each instruction adds one.

    Args:
        states: width of each state.
        updates: for each state how it moves, and which two values it reads.
        output: which value is y.
    """

    input_size: int
    states: tuple[int, ...]
    instructions: tuple[Instruction, ...]
    updates: tuple[tuple[str, int, int], ...]
    output: int


class Tools:
    """What an operation may ask for: weights, in their order, and a distance from every corner.

    A gradient jumps where an operation has a corner or a comparison turns. There rounding decides,
    and two right answers differ; so each place is moved by an offset of its own, and what still
    comes near is noted.

    Args:
        noted: takes the smallest distance of each place, and each largest value, if not None.
    """

    def __init__(self, weight: Callable[..., torch.Tensor], noted: list[torch.Tensor] | None):
        self.weight = weight
        self.noted = noted
        self.places = 0

    def away(self, distance: torch.Tensor) -> torch.Tensor:
        """The distance from a corner, moved."""
        self.places += 1
        distance = distance + (0.05 + 0.013 * self.places)
        self.note(distance)
        return distance

    def note(self, distance: torch.Tensor) -> None:
        if self.noted is not None and distance.numel():
            self.noted.append(distance.detach().abs().min())

    def fit(self, b: torch.Tensor, width: int) -> torch.Tensor:
        """`b` such that it goes together with `width` columns: as it is, as a column, or mapped."""
        return b if b.shape[-1] in (1, width) else self.full(b, width)

    def full(self, b: torch.Tensor, width: int) -> torch.Tensor:
        return b if b.shape[-1] == width else b @ self.weight(b.shape[-1], width)


def _top(tools, a):
    if a.shape[-1] > 1:
        tools.note(a.sort(dim=-1).values.diff(dim=-1)[..., -1])
    return a.amax(dim=-1, keepdim=True)


def _maximum(tools, a, b):
    b = tools.fit(b, a.shape[-1])
    return torch.maximum(b, b + tools.away(a - b)) if a.shape == b.shape else a + b


def _minimum(tools, a, b):
    b = tools.fit(b, a.shape[-1])
    return torch.minimum(b, b + tools.away(a - b)) if a.shape == b.shape else a * b


def _normalise(a):
    a = a - a.mean(dim=-1, keepdim=True)
    return a * torch.rsqrt(a.square().mean(dim=-1, keepdim=True) + 0.1)


def _layer_norm(tools, a):
    d = a.shape[-1]
    return F.layer_norm(a, (d,), tools.weight(d), tools.weight(d), 0.1)


def _heads(tools, a):
    if a.shape[-1] % 2:
        return a.flip(-1)
    d = a.shape[-1] // 2
    return torch.einsum("bnd,nde->bne", a.unflatten(-1, (2, d)), tools.weight(2, d, d)).flatten(1)


def _where(tools, a, b, c):
    width = a.shape[-1]
    chosen = tools.away(a - tools.fit(b, width)) > 0
    return torch.where(chosen, tools.full(c, width), 0.5 * a)


def _clamp(tools, a):
    tools.note(a - 0.613)
    tools.note(a + 0.727)
    return a.clamp(-0.727, 0.613)


# Each takes the tools and three values (B, width); the later ones it may leave alone.
OPERATIONS: dict[str, Callable[..., torch.Tensor]] = {
    "sigmoid": lambda tools, a, b, c: torch.sigmoid(a),
    "tanh": lambda tools, a, b, c: torch.tanh(a),
    "exp": lambda tools, a, b, c: torch.exp(-tools.away(a).abs()),
    "relu": lambda tools, a, b, c: torch.relu(tools.away(a)),
    "neg": lambda tools, a, b, c: -a,
    "abs": lambda tools, a, b, c: tools.away(a).abs(),
    "sqrt": lambda tools, a, b, c: torch.sqrt(1 + a * a),
    "rsqrt": lambda tools, a, b, c: torch.rsqrt(1 + a.square()),
    "log1p": lambda tools, a, b, c: torch.log1p(a**2),
    "power": lambda tools, a, b, c: (1 + a * a) ** 0.3,
    "sin": lambda tools, a, b, c: torch.sin(a),
    "cos": lambda tools, a, b, c: torch.cos(a),
    "erf": lambda tools, a, b, c: torch.erf(a),
    "add": lambda tools, a, b, c: a + tools.fit(b, a.shape[-1]),
    "sub": lambda tools, a, b, c: tools.fit(b, a.shape[-1]) - a,
    "mul": lambda tools, a, b, c: a * tools.fit(b, a.shape[-1]),
    "div": lambda tools, a, b, c: a / (1 + tools.fit(b, a.shape[-1]).square()),
    "lerp": lambda tools, a, b, c: torch.lerp(
        a, tools.full(b, a.shape[-1]), torch.sigmoid(tools.full(c, a.shape[-1]))
    ),
    "maximum": lambda tools, a, b, c: _maximum(tools, a, b),
    "minimum": lambda tools, a, b, c: _minimum(tools, a, b),
    "product": lambda tools, a, b, c: a @ tools.weight(a.shape[-1], b.shape[-1]),
    "linear": lambda tools, a, b, c: F.linear(a, tools.weight(5, a.shape[-1]), tools.weight(5)),
    "heads": lambda tools, a, b, c: _heads(tools, a),
    "row mul": lambda tools, a, b, c: a * tools.weight(a.shape[-1]),
    "row add": lambda tools, a, b, c: tools.weight(a.shape[-1]) + a,
    "column": lambda tools, a, b, c: a * b[:, :1] - c[:, -1:],
    "scale": lambda tools, a, b, c: 0.7 * a - 0.3,
    "rest": lambda tools, a, b, c: 1 - a,
    "over": lambda tools, a, b, c: 2 / (1 + a * a),
    "sum": lambda tools, a, b, c: a.sum(dim=-1, keepdim=True),
    "mean": lambda tools, a, b, c: a.mean(dim=-1, keepdim=True),
    "top": lambda tools, a, b, c: _top(tools, a),
    "cumsum": lambda tools, a, b, c: a.cumsum(dim=-1),
    "softmax": lambda tools, a, b, c: torch.softmax(a, dim=-1),
    "normalise": lambda tools, a, b, c: _normalise(a),
    "layer norm": lambda tools, a, b, c: _layer_norm(tools, a),
    "slice": lambda tools, a, b, c: a[:, a.shape[-1] // 3 :],
    "chunk": lambda tools, a, b, c: a.chunk(2, dim=-1)[0],
    "cat": lambda tools, a, b, c: torch.cat([a, b], dim=-1)[:, :WIDEST],
    "where": _where,
    "compare": lambda tools, a, b, c: (tools.away(a) >= 0).to(a.dtype) * tools.fit(b, a.shape[-1]),
    "clamp": lambda tools, a, b, c: _clamp(tools, a),
}

# How a state moves, from itself and two values of its width; it stays within about 1.
UPDATES: dict[str, Callable[..., torch.Tensor]] = {
    "tanh": lambda s, a, b: torch.tanh(a),
    "mix": lambda s, a, b: torch.sigmoid(a) * s + (1 - torch.sigmoid(a)) * torch.tanh(b),
    "squash": lambda s, a, b: (s + a) * torch.rsqrt(1 + (s + a).square()),
    "keep": lambda s, a, b: s,
}


class RandomCell(Cell[Any]):
    """A cell whose step is a program."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.input_size = program.input_size
        self.weights = nn.ParameterList()
        self.noted: list[torch.Tensor] | None = None
        tools = Tools(self._new, None)
        with torch.no_grad():
            y, _ = self._step(tools, torch.zeros(1, self.input_size).double(), self._zeros(1))
        self.output_size = y.shape[-1]

    def initial_state(self, batch_size):
        return self._zeros(batch_size)

    def step(self, x, state, context=None):
        weights = iter(self.weights)
        return self._step(Tools(lambda *shape: next(weights), self.noted), x, state)

    def _step(self, tools, x, state):
        values = [x, *state]
        for operation, a, b, c in self.program.instructions:
            chosen = (_newest(values, place) for place in (a, b, c))
            values.append(OPERATIONS[operation](tools, *chosen))
        new = []
        for old, (update, a, b) in zip(state, self.program.updates, strict=True):
            a, b = (tools.full(_newest(values, place), old.shape[-1]) for place in (a, b))
            new.append(UPDATES[update](old, a, b))
        return _newest(values, self.program.output), tuple(new)

    def _new(self, *shape):
        bound = shape[0] ** -0.5 if len(shape) > 1 else 1.0
        self.weights.append(nn.Parameter(torch.empty(shape).double().uniform_(-bound, bound)))
        return self.weights[-1]

    def _zeros(self, batch_size):
        return tuple(torch.zeros(batch_size, width).double() for width in self.program.states)


def _newest(values, place):
    return values[-1 - place % len(values)]
