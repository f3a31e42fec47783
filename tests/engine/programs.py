"""Programs written by hand, and what runs them, for the tests of the native engine.

Memory that the library has not written yet holds NaN in every test that imports this.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

os.environ["RECURRA_POISON"] = "1"

from recurra.engine import native
from recurra.engine.operations import NUMBERS
from recurra.engine.program import (
    Buffer,
    Code,
    Instruction,
    Kind,
    Matrix,
    Operand,
    Packing,
    Phase,
    Program,
)


@dataclass
class Writer:
    """Writes a program whose arguments are tensors; one tensor is one argument."""

    dtype: torch.dtype
    program: Program = field(init=False)
    tensors: list[Tensor | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.program = Program(double=self.dtype is torch.float64, arguments=0)

    def argument(self, tensor: Tensor | None) -> int:
        self.tensors.append(tensor)
        self.program.arguments += 1
        return self.program.arguments - 1

    def number(self, tensor: Tensor) -> int:
        """Which argument a tensor is."""
        return next(i for i, held in enumerate(self.tensors) if held is tensor)

    def buffer(self, kind: Kind, width: int, alias: int = -1) -> int:
        self.program.buffers.append(Buffer(kind, width, alias=alias))
        return len(self.program.buffers) - 1

    def outside(self, kind: Kind, tensor: Tensor | None, width: int | None = None) -> int:
        """PARAMETER (W), OUTER_ROW (B, W) or OUTER (B, T, W)."""
        width = tensor.shape[-1] if width is None else width
        self.program.buffers.append(Buffer(kind, width, self.argument(tensor)))
        return len(self.program.buffers) - 1

    def matrix(self, tensor: Tensor, packing: Packing = Packing.FULL) -> int:
        """(blocks, K, N) or (K, N)."""
        tensor = tensor if tensor.dim() == 3 else tensor[None]
        blocks, K, N = tensor.shape
        self.program.matrices.append(Matrix(self.argument(tensor), K, N, blocks, packing))
        return len(self.program.matrices) - 1

    def say(
        self,
        phase: Phase,
        what: str | Code,
        n: int,
        d: int,
        *operands: Operand | int,
        literal: float = 0.0,
        numbers: tuple[int, ...] = (),
    ) -> None:
        number = what if isinstance(what, Code) else NUMBERS[what]
        places = tuple(o if isinstance(o, Operand) else Operand(o) for o in operands)
        instruction = Instruction(int(number), n, d, places, literal, numbers)
        self.program.segments.setdefault(phase, []).append(instruction)


def numbers(tensor: Tensor | None) -> tuple[int, int, int, int]:
    """An argument as the library takes it: address, strides."""
    if tensor is None:
        return (0, 0, 0, 0)
    strides = (*tensor.stride(), 0, 0, 0)
    return (tensor.data_ptr(), *strides[:3])


@dataclass
class Runner:
    """Runs a program forward, and perhaps backward, on rows as they are sorted."""

    writer: Writer
    B: int
    T: int
    lengths: Tensor | None = None
    reverse: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        self.program = native.Program(self.writer.program)
        self.sorted = self.order = None
        N = self.B * self.T
        if self.lengths is not None:
            self.sorted, self.order = self.lengths.sort(descending=True, stable=True)
            N = int(self.lengths.sum())
        self.kept = native.Block(self.program.kept_bytes(self.B, N))

    def job(self, *, backward: bool = False) -> native.Job:
        arguments = [word for tensor in self.writer.tensors for word in numbers(tensor)]
        return native.Job(
            self.program,
            arguments,
            self.B,
            self.T,
            order=0 if self.order is None else self.order.data_ptr(),
            lengths=0 if self.sorted is None else self.sorted.data_ptr(),
            reverse=self.reverse,
            backward=backward,
            kept=self.kept.address,
        )

    def run(self, *, backward: bool = False) -> None:
        native.run([self.job(backward=backward)], self.threads)


def randn(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)


def nan(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.full(shape, float("nan"), dtype=dtype)


def elman(
    x: Tensor,
    first: Tensor,
    w_x: Tensor,
    w_h: Tensor,
    bias: Tensor,
    gradients: dict[str, Any] | None = None,
    *,
    columns: int = 0,
    packing: Packing = Packing.FULL,
) -> tuple[Writer, Tensor, Tensor]:
    """h = tanh(x W_x + h W_h + b): its program, y (B, T, H) and the last state.

    gradients: `dy` and `dlast` are read; `dx`, `dfirst`, `dw_x`, `dw_h`, `dbias` written.
    columns: CHUNK columns that nobody needs, to make chunks short.
    """
    B, T, F = x.shape
    H = first.shape[-1]
    dtype = x.dtype
    w = Writer(dtype)
    y, last = nan(B, T, H, dtype=dtype), nan(B, H, dtype=dtype)
    outer_x, outer_y = w.outside(Kind.OUTER, x), w.outside(Kind.OUTER, y)
    outer_first, outer_last = w.outside(Kind.OUTER_ROW, first), w.outside(Kind.OUTER_ROW, last)
    row = w.outside(Kind.PARAMETER, bias)
    chunk_x, chunk_e = w.buffer(Kind.CHUNK, F), w.buffer(Kind.CHUNK, H)
    history = w.buffer(Kind.HISTORY, H)
    if columns:
        w.buffer(Kind.CHUNK, columns)
    forward_x, forward_h = w.matrix(w_x, packing), w.matrix(w_h, packing)
    before, after = Operand(history), Operand(history, after=True)
    w.say(Phase.F_BEGIN, Code.LOAD, 1, H, history, outer_first)
    w.say(Phase.F_BEFORE, Code.LOAD, 1, F, chunk_x, outer_x)
    w.say(Phase.F_BEFORE, Code.PRODUCT, 1, H, chunk_e, chunk_x, row, numbers=(forward_x, 2))
    w.say(Phase.F_STEP, Code.PRODUCT, 1, H, chunk_e, before, numbers=(forward_h, 0))
    w.say(Phase.F_STEP, "tanh", 1, H, after, chunk_e)
    w.say(Phase.F_AFTER, Code.STORE, 1, H, outer_y, after)
    w.say(Phase.F_END, Code.STORE, 1, H, outer_last, before)
    if gradients is not None:
        _elman_backward(w, gradients, outer_x, history, w_x, w_h, packing)
    return w, y, last


def _elman_backward(
    w: Writer,
    gradients: dict[str, Any],
    outer_x: int,
    history: int,
    w_x: Tensor,
    w_h: Tensor,
    packing: Packing,
) -> None:
    g = gradients
    H, F = w_h.shape[0], w_x.shape[0]
    dy, dlast = w.outside(Kind.OUTER, g["dy"]), w.outside(Kind.OUTER_ROW, g["dlast"])
    dx, dfirst = w.outside(Kind.OUTER, g["dx"]), w.outside(Kind.OUTER_ROW, g["dfirst"])
    chunk_dy, chunk_dx = w.buffer(Kind.CHUNK, H), w.buffer(Kind.CHUNK, F)
    state, grad = w.buffer(Kind.STATE, H), w.buffer(Kind.TILE, H)
    kept, total = w.buffer(Kind.KEPT, H), w.buffer(Kind.SUM, H)
    back_h, back_x = w.matrix(w_h.t(), packing), w.matrix(w_x.t(), packing)
    after = Operand(history, after=True)
    w.say(Phase.B_BEGIN, Code.LOAD, 1, H, state, dlast)
    w.say(Phase.B_BEFORE, Code.LOAD, 1, H, chunk_dy, dy)
    w.say(Phase.B_STEP, "add", 1, H, grad, state, chunk_dy)
    w.say(Phase.B_STEP, "tanh_grad", 1, H, kept, grad, after)
    w.say(Phase.B_STEP, Code.ACCUMULATE, 1, H, total, kept)
    state_after = Operand(state, after=True)
    w.say(Phase.B_STEP, Code.PRODUCT, 1, H, state_after, kept, numbers=(back_h, 1))
    w.say(Phase.B_AFTER, Code.PRODUCT, 1, F, chunk_dx, kept, numbers=(back_x, 1))
    w.say(Phase.B_AFTER, Code.STORE, 1, F, dx, chunk_dx)
    w.say(Phase.B_END, Code.STORE, 1, H, dfirst, state)
    dw_x, dw_h = w.argument(g["dw_x"][None]), w.argument(g["dw_h"][None])
    dbias = w.argument(g["dbias"])
    w.say(Phase.CONTRACT, Code.CONTRACT, 1, 1, outer_x, kept, numbers=(dw_x, F, H, 1, 1, packing))
    w.say(Phase.CONTRACT, Code.CONTRACT, 1, 1, history, kept, numbers=(dw_h, H, H, 1, 1, packing))
    w.say(Phase.CONTRACT, Code.TOTAL, 1, H, total, numbers=(dbias,))
