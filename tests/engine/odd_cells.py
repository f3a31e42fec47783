"""Cells with heads, matrices as states, several inputs, and a context; only tests define them."""

from typing import NamedTuple

import torch
from bench.user_cells import Hidden, weight
from torch import nn
from torch.nn import functional as F

from recurra.cells import Cell


class Stabilised(NamedTuple):
    """`h`, memory `c`, normaliser `n` and log scale `m`, each (B, H)."""

    h: torch.Tensor
    c: torch.Tensor
    n: torch.Tensor
    m: torch.Tensor


class HeadedLSTM(Cell[Stabilised]):
    """sLSTM: exponential gates, and one small matrix a head on the state.

    Source: Beck et al., "xLSTM", 2024, arXiv:2405.04517, equations 8 to 17.
    """

    HEADS = 2

    def __init__(self, input_size, head_size, *, dtype=None):
        super().__init__()
        self.input_size, self.output_size = input_size, self.HEADS * head_size
        self.project = nn.Linear(input_size, 4 * self.output_size, dtype=dtype)
        self.heads = weight(self.HEADS, head_size, 4 * head_size, dtype=dtype)

    def initial_state(self, batch_size):
        zeros = self.heads.new_zeros(batch_size, self.output_size)
        return Stabilised(zeros, zeros, torch.ones_like(zeros), zeros)

    def step(self, x, state, context=None):
        heads = (self.HEADS, self.output_size // self.HEADS)
        from_h = torch.einsum("bnd,nde->bne", state.h.unflatten(-1, heads), self.heads)
        parts = self.project(x).unflatten(-1, (self.HEADS, 4 * heads[1])) + from_h
        i, f, z, o = (part.flatten(1) for part in parts.chunk(4, dim=-1))
        kept = F.logsigmoid(f) + state.m
        m = torch.maximum(kept, i)
        write, keep = torch.exp(i - m), torch.exp(kept - m)
        c = keep * state.c + write * torch.tanh(z)
        n = keep * state.n + write
        h = torch.sigmoid(o) * c / n
        return h, Stabilised(h, c, n, m)


class Memory(NamedTuple):
    """What attention reads: `values` (B, S, H), and which of them are `there` (B, S)."""

    values: torch.Tensor
    there: torch.Tensor


class Attending(Cell[Hidden]):
    """Reads a memory of the context at every step, with masked scores."""

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__()
        self.input_size, self.output_size = input_size, hidden_size
        self.project = nn.Linear(input_size, hidden_size, dtype=dtype)
        self.query = weight(hidden_size, hidden_size, dtype=dtype)
        self.reading = weight(hidden_size, hidden_size, dtype=dtype)

    def initial_state(self, batch_size):
        return Hidden(self.query.new_zeros(batch_size, self.output_size))

    def step(self, x, state, context):
        scores = torch.einsum("bsh,bh->bs", context.values, F.linear(state.h, self.query))
        scores = scores * self.output_size**-0.5
        share = torch.softmax(scores.masked_fill(~context.there, float("-inf")), dim=-1)
        read = torch.einsum("bs,bsh->bh", share, context.values)
        h = torch.tanh(self.project(x) + F.linear(read, self.reading) + 0.5 * state.h)
        return h, Hidden(h)


class Dropped(Attending):
    """A context that is one tensor: a dropout mask (B, H) on the recurrent product."""

    def step(self, x, state, context):
        h = torch.tanh(self.project(x) + F.linear(state.h * context, self.query))
        return F.linear(h, self.reading) * context, Hidden(h)


class Matrix(NamedTuple):
    """`S` (B, K, V), from keys to values."""

    S: torch.Tensor


class DeltaMemory(Cell[Matrix]):
    """A matrix as the state, corrected towards each new value.

    Source: Schlag et al., "Linear Transformers Are Secretly Fast Weight Programmers", 2021,
    arXiv:2102.11174, equation 23.
    """

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__()
        self.input_size, self.output_size = input_size, hidden_size
        self.project = nn.Linear(input_size, 3 * hidden_size + 1, dtype=dtype)

    def initial_state(self, batch_size):
        H = self.output_size
        return Matrix(self.project.weight.new_zeros(batch_size, H, H))

    def step(self, x, state, context=None):
        H = self.output_size
        q, k, v, rate = self.project(x).split([H, H, H, 1], dim=-1)
        k = k * torch.rsqrt(1 + k.square().sum(dim=-1, keepdim=True))
        old = torch.bmm(k[:, None], state.S)[:, 0]
        write = torch.sigmoid(rate) * (v - old)
        S = state.S + k[:, :, None] * write[:, None, :]
        return torch.einsum("bkv,bk->bv", S, q), Matrix(S)


class Observed(NamedTuple):
    """`value` (B, F), what of it was `seen` (B, F), and the `gap` (B) since the last step."""

    value: torch.Tensor
    seen: torch.Tensor
    gap: torch.Tensor


class Remembered(NamedTuple):
    """`h` (B, H), and the `last` value that was seen of each feature (B, F)."""

    h: torch.Tensor
    last: torch.Tensor


class Waiting(Cell[Remembered]):
    """Missing values and uneven time: several inputs, one of them boolean, one a column.

    Source: after Che et al., "GRU-D", 2016, arXiv:1606.01865, section 2.3.
    """

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__()
        self.input_size, self.output_size = input_size, hidden_size
        self.project = nn.Linear(2 * input_size, hidden_size, dtype=dtype)
        self.square = weight(hidden_size, hidden_size, dtype=dtype)
        self.decay = nn.Parameter(torch.rand(hidden_size, dtype=dtype))

    def initial_state(self, batch_size):
        zeros = self.square.new_zeros(batch_size, self.output_size)
        return Remembered(zeros, self.square.new_zeros(batch_size, self.input_size))

    def step(self, x, state, context=None):
        last = torch.where(x.seen, x.value, state.last)
        faded = state.h * torch.exp(-torch.relu(x.gap[:, None] * self.decay))
        known = torch.cat([last, x.seen.to(last.dtype)], dim=-1)
        h = torch.tanh(self.project(known) + F.linear(faded, self.square))
        return h, Remembered(h, last)


ODD_CELLS: dict[str, type[Cell]] = {
    "headed lstm": HeadedLSTM,
    "attending": Attending,
    "dropped": Dropped,
    "delta memory": DeltaMemory,
    "waiting": Waiting,
}
