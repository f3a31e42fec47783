"""Packed sequences as rows step after step, and back.

Both hold a step's rows side by side; a packed one leaves out the rows that have ended. Each of the
two is the gradient of the other.
"""

from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from recurra.engine.applied import Applied
from recurra.engine.machine import blank


class Packing(NamedTuple):
    """Where the steps of a packed sequence stand.

    Args:
        steps: (N,) int64, among all T · B; None where no row ends before another.
        lengths: (B,) int64, falling; None there as well.
    """

    B: int
    T: int
    steps: Tensor | None
    lengths: Tensor | None


def packing(packed: PackedSequence) -> Packing | None:
    """None where it is no packed sequence that torch would make."""
    sizes = packed.batch_sizes
    if sizes.dtype != torch.int64 or not sizes.is_cpu or sizes.ndim != 1 or packed.data.ndim != 2:
        return None
    listed = sizes.tolist()
    falling = all(a >= b for a, b in pairwise(listed))
    if not listed or listed[-1] < 1 or not falling or sum(listed) != len(packed.data):
        return None
    B, T = listed[0], len(listed)
    if listed[-1] == B:
        return Packing(B, T, None, None)
    alive = torch.arange(B, device="cpu") < sizes[:, None]
    return Packing(B, T, alive.flatten().nonzero().squeeze(1), alive.sum(0))


def unpack(data: Tensor, rows: Packing) -> Tensor:
    """(N, F) to (B, T, F), step after step in memory; past a row's end anything."""
    if rows.steps is None:
        return data.view(rows.T, rows.B, data.shape[1]).transpose(0, 1)
    found: Tensor = Unpack.apply(data, rows.steps, rows.B, rows.T)
    return found


def pack(y: Tensor, rows: Packing) -> Tensor:
    """(B, T, H) to (N, H)."""
    if rows.steps is None:
        return y.transpose(0, 1).reshape(rows.B * rows.T, y.shape[2])
    found: Tensor = Pack.apply(y, rows.steps)
    return found


class Unpack(torch.autograd.Function):
    """See `unpack`."""

    apply: ClassVar[Applied]

    @staticmethod
    def forward(ctx: Any, data: Tensor, steps: Tensor, B: int, T: int) -> Tensor:
        ctx.steps = steps
        whole = blank((T * B, data.shape[1]), data.dtype).index_copy_(0, steps, data)
        return whole.view(T, B, data.shape[1]).transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return Pack.apply(gradient, ctx.steps), None, None, None


class Pack(torch.autograd.Function):
    """See `pack`."""

    apply: ClassVar[Applied]

    @staticmethod
    def forward(ctx: Any, y: Tensor, steps: Tensor) -> Tensor:
        B, T, H = y.shape
        ctx.steps, ctx.rows = steps, (B, T)
        made = blank((len(steps), H), y.dtype)
        return torch.index_select(y.transpose(0, 1).reshape(T * B, H), 0, steps, out=made)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return Unpack.apply(gradient, ctx.steps, *ctx.rows), None
