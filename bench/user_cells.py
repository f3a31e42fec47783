"""Cells as a user writes them: a step and a first state, nothing for the engine.

They are in no catalogue. The benches time them and the tests hold them against their loop, so they
stand here once; `tests/engine/user_cells.py` has the ones that nobody times.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells import Cell, LSTMState


def weight(*shape: int, dtype: torch.dtype | None = None) -> nn.Parameter:
    """A parameter, uniform within the square root of its last dimension."""
    bound = shape[-1] ** -0.5
    return nn.Parameter(torch.empty(shape, dtype=dtype).uniform_(-bound, bound))


class Hidden(NamedTuple):
    """`h` (B, H)."""

    h: Tensor


class Gated(Cell[Any]):
    """Stacked products of x and of h; what the gates do is left to `step`.

    Args:
        stacked: how many gates of width H; G = stacked · H.
    """

    def __init__(
        self, stacked: int, input_size: int, hidden_size: int, dtype: torch.dtype | None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size
        G = stacked * hidden_size
        self.weight_ih = weight(G, input_size, dtype=dtype)
        self.weight_hh = weight(G, hidden_size, dtype=dtype)
        self.bias = nn.Parameter(torch.empty(G, dtype=dtype).uniform_(-0.5, 0.5))

    def initial_state(self, batch_size: int) -> Any:
        h = self.bias.new_zeros(batch_size, self.output_size)
        return LSTMState(h, torch.zeros_like(h))

    def preactivations(self, x: Tensor, h: Tensor) -> Tensor:
        """The sum of both products and the bias, (B, G)."""
        return F.linear(x, self.weight_ih, self.bias) + F.linear(h, self.weight_hh)


class SoftmaxMemory(Gated):
    """Two states and a softmax: every step shares one write among all units of the memory."""

    def __init__(
        self, input_size: int, hidden_size: int, *, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(3, input_size, hidden_size, dtype)

    def step(self, x: Tensor, state: LSTMState, context: None = None) -> tuple[Tensor, LSTMState]:
        share, new, o = self.preactivations(x, state.h).chunk(3, dim=-1)
        share = torch.softmax(share, dim=-1)
        c = (1 - share) * state.c + share * torch.tanh(new)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, LSTMState(h, c)


class ScanInputs(NamedTuple):
    """What a linear scan takes at every step: `keep` and `add` (B, T, D)."""

    keep: Tensor
    add: Tensor


class Scan(Cell[Hidden]):
    """h_t = keep_t * h_{t-1} + add_t: the elementwise recurrence inside minGRU, LRU and RG-LRU.

    It has no parameter and no product.
    """

    first: Tensor

    def __init__(
        self, input_size: int, hidden_size: int | None = None, *, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.input_size = self.output_size = input_size
        self.register_buffer("first", torch.zeros(input_size, dtype=dtype))

    def initial_state(self, batch_size: int) -> Hidden:
        return Hidden(self.first.new_zeros(batch_size, self.output_size))

    def step(self, x: ScanInputs, state: Hidden, context: None = None) -> tuple[Tensor, Hidden]:
        h = x.keep * state.h + x.add
        return h, Hidden(h)
