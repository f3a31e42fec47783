"""Cells that only tests define, each for something that an engine can get wrong.

Vectors as states; `odd_cells.py` has matrices, heads, several inputs and contexts.
"""

from typing import NamedTuple

import torch
from bench.user_cells import Hidden, weight
from torch import nn
from torch.nn import functional as F

from recurra.cells import Cell


class Plain(Cell[Hidden]):
    """What the small cells below share: W x + b, a square matrix U, one state of zeros."""

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__()
        self.input_size, self.output_size = input_size, hidden_size
        self.project = nn.Linear(input_size, hidden_size, dtype=dtype)
        self.square = weight(hidden_size, hidden_size, dtype=dtype)

    def initial_state(self, batch_size):
        return Hidden(self.square.new_zeros(batch_size, len(self.square)))


class Readout(Plain):
    """The output is a projection of the new state: it can wait until after the loop."""

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__(input_size, hidden_size, dtype=dtype)
        self.output_size = hidden_size + 2
        self.read = nn.Linear(hidden_size, hidden_size + 2, dtype=dtype)

    def step(self, x, state, context=None):
        h = torch.tanh(self.project(x) + F.linear(state.h, self.square))
        return torch.sigmoid(self.read(h)), Hidden(h)


class Joined(Plain):
    """The output is a projection of the new state beside what came before it in the step."""

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__(input_size, hidden_size, dtype=dtype)
        self.read = nn.Linear(2 * hidden_size, hidden_size, dtype=dtype)

    def step(self, x, state, context=None):
        u = F.linear(state.h, self.square)
        h = torch.tanh(self.project(x) + torch.sin(u))
        return self.read(torch.cat([h, u], dim=-1)), Hidden(h)


class Late(Plain):
    """The output shows the state before this step: it does not see x."""

    def step(self, x, state, context=None):
        h = torch.tanh(self.project(x) + F.linear(state.h, self.square))
        return 2 * state.h, Hidden(h)


class Blind(Plain):
    """Nothing sees x, and two parameters are used by nothing."""

    def step(self, x, state, context=None):
        h = torch.cos(F.linear(state.h, self.square) + 0.5)
        return h, Hidden(h)


class Feedforward(Plain):
    """Nothing sees the state, which is an output like any other."""

    def step(self, x, state, context=None):
        h = torch.tanh(self.project(x))
        return h + h.square(), Hidden(h)


class Keyed(NamedTuple):
    """`h` (B, H) moves; `key` (B, H) is what the sequence began with."""

    h: torch.Tensor
    key: torch.Tensor


class FrozenKey(Plain):
    """A part of the state never changes, and the first state is learned."""

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__(input_size, hidden_size, dtype=dtype)
        self.first = nn.Parameter(torch.rand(2, hidden_size, dtype=dtype))

    def initial_state(self, batch_size):
        return Keyed(*self.first[:, None].expand(-1, batch_size, -1).unbind())

    def step(self, x, state, context=None):
        h = torch.tanh(self.project(x) + state.key * F.linear(state.h, self.square))
        return h, Keyed(h, state.key)


class Counted(NamedTuple):
    """`h` (B, H) and `steps` (B,), whole numbers."""

    h: torch.Tensor
    steps: torch.Tensor


class Counting(Plain):
    """A state that is no float, a cast, and a column that scales a row."""

    def initial_state(self, batch_size):
        steps = torch.zeros(batch_size, dtype=torch.int64, device=self.square.device)
        return Counted(self.square.new_zeros(batch_size, self.output_size), steps)

    def step(self, x, state, context=None):
        rate = 1 / (2 + state.steps[:, None].to(x.dtype))
        h = rate * F.linear(state.h, self.square) + torch.tanh(self.project(x))
        return h * h, Counted(h, state.steps + 1)


class Clipped(Plain):
    """Choices: `where` with NaN in the branch not taken, `maximum`, `clamp`, comparisons."""

    def step(self, x, state, context=None):
        a = self.project(x) + F.linear(state.h, self.square)
        a = torch.where(a > 0.1, torch.log(a), a)
        h = torch.maximum(a, 0.5 * state.h).clamp(-0.8, 0.9)
        h = torch.where(h.abs() <= state.h.abs(), 0.5 * (h + state.h), h)
        return torch.minimum(h, 0.7 * a), Hidden(h)


class Ties(Plain):
    """Exact ties in every operation that has a corner: gradients there are torch's convention."""

    def step(self, x, state, context=None):
        a = torch.relu(self.project(x) + F.linear(state.h, self.square))  # many exact zeros
        both = torch.maximum(a, torch.zeros_like(a)) + torch.minimum(a, a)
        top = torch.cat([a, a], dim=-1).amax(dim=-1, keepdim=True)
        h = torch.tanh(both + a.abs() + a.sign() - top.clamp(min=0.0) + torch.relu(a))
        return h, Hidden(h)


class Orthogonal(Plain):
    """A matrix that is itself computed from a parameter, once a call."""

    def step(self, x, state, context=None):
        turn = torch.matrix_exp(self.square - self.square.T)
        h = torch.tanh(self.project(x) + F.linear(state.h, turn))
        return h, Hidden(h)


class Careless(Plain):
    """In-place operations, on tensors of its own."""

    def step(self, x, state, context=None):
        h = F.linear(state.h, self.square)
        h += self.project(x)
        h.tanh_()
        y = h.clone()
        y[:, :1] *= 2
        return y, Hidden(h)


VECTOR_CELLS: dict[str, type[Cell]] = {
    "readout": Readout,
    "joined": Joined,
    "late": Late,
    "blind": Blind,
    "feedforward": Feedforward,
    "frozen key": FrozenKey,
    "counting": Counting,
    "clipped": Clipped,
    "ties": Ties,
    "orthogonal": Orthogonal,
    "careless": Careless,
}
