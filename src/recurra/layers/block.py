"""The residual block in which cells that are linear in their state are trained.

    u_t = norm_1(x_t)
    r_t = cell(conv(u_t))
    a_t = x_t + W_o (headnorm(r_t) * silu(W_g u_t))
    y_t = a_t + mlp(norm_2(a_t))

    swiglu: mlp(u) = W_2 (silu(W_1 u) * W_3 u)         gelu: mlp(u) = W_2 gelu(W_1 u)

Source: Yang et al., "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024,
arXiv:2412.06464, figure 1 and section 3.4: each mixer between a short convolution and a gated norm.
There the convolutions stand on queries, keys and values; here one stands before the cell, which
makes those itself. SwiGLU: Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202,
equation 6, whose three matrices have 8/3 F columns so that they are as large as two of 4 F.
"""

from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.over import Step, Whole
from recurra.errors import OptionError, UnsupportedError
from recurra.layers.around import Around, Move, like
from recurra.layers.gated_norm import HeadNorm
from recurra.layers.pre_norm import norm_of
from recurra.layers.short_convolution import ShortConvolution, ShortConvolutionState


class BlockState(NamedTuple):
    """The cell's, and the convolution's; None without one."""

    cell: Any
    convolution: ShortConvolutionState | None


class Block(Around):
    """A cell between norms, a short convolution, a gate and a residual, and an MLP behind it.

    Args:
        cell: reads F features; its output is projected back to F.
        norm: of what comes in and of what the MLP reads, "rms" or "layer".
        width: steps that the convolution sees; 0 for no convolution.
        heads: each is normalised by itself; divides the cell's output size.
        mlp: "swiglu", "gelu", or None for none.
        mlp_size: its width; 8/3 F or 4 F when not given.

    Raises:
        OptionError: an option does not fit.
        UnsupportedError: the cell takes whole numbers, or images.
    """

    def __init__(
        self,
        cell: Cell[Any],
        *,
        norm: str = "rms",
        width: int = 4,
        heads: int = 1,
        mlp: str | None = "swiglu",
        mlp_size: int | None = None,
    ) -> None:
        super().__init__(cell, cell.input_size)
        if cell.ids or cell.x_shape is not None:
            raise UnsupportedError("Block: the cell takes no features, which a norm needs")
        own, size, H = like(cell), cell.input_size, cell.output_size
        self.norm = norm_of("Block", norm, size, own)
        self.convolution: ShortConvolution | None = None
        if width:
            self.convolution = ShortConvolution(size, width, device=own.device, dtype=own.dtype)
        self.head_norm = HeadNorm("Block", H, heads, own)
        self.gate = linear(size, H, own)
        self.out = linear(H, size, own)
        self.mlp: GatedMLP | None = None
        if mlp is not None:
            self.mlp_norm = norm_of("Block", norm, size, own)
            self.mlp = GatedMLP(size, mlp, mlp_size, own)

    def initial_state(self, batch_size: int) -> BlockState:
        tail = None if self.convolution is None else self.convolution.initial_state(batch_size)
        return BlockState(self.cell.initial_state(batch_size), tail)

    def sample_context(self, batch_size: int) -> Context:
        return self.cell.sample_context(batch_size)

    def over(
        self, x: Inputs, state: BlockState, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, BlockState]:
        u = self.norm(x)
        read, tail = u, None
        if self.convolution is not None and state.convolution is not None:
            read, tail = self.convolution.over(u, state.convolution, ways)
        r, inner = move(read, state.cell, context)
        y = x + self.out(self.head_norm(r) * F.silu(self.gate(u)))
        if self.mlp is not None:
            y = y + self.mlp(self.mlp_norm(y))
        return y, BlockState(inner, tail)


class GatedMLP(nn.Module):
    """Two layers over the features of a step, gated or not.

    Args:
        size: features, F.
        kind: "swiglu" or "gelu".
        hidden: columns between the layers.
        like: a tensor of the type and device of the weights.
    """

    def __init__(self, size: int, kind: str, hidden: int | None, like: Tensor) -> None:
        super().__init__()
        if kind not in ("swiglu", "gelu"):
            raise OptionError(f"Block: mlp is {kind!r}, 'swiglu', 'gelu' or None fit")
        hidden = (8 * size // 3 if kind == "swiglu" else 4 * size) if hidden is None else hidden
        if hidden < 1:
            raise OptionError(f"Block: mlp_size is {hidden}, it must be at least 1")
        self.gated = kind == "swiglu"
        self.inward = linear(size, (2 if self.gated else 1) * hidden, like)
        self.outward = linear(hidden, size, like)

    def forward(self, u: Float[Tensor, "B ... F"]) -> Float[Tensor, "B ... F"]:
        inner = self.inward(u)
        if self.gated:
            gate, value = inner.chunk(2, -1)
            inner = F.silu(gate) * value
        else:
            inner = F.gelu(inner)
        y: Tensor = self.outward(inner)
        return y


def linear(size: int, columns: int, like: Tensor) -> nn.Linear:
    """A matrix without a bias."""
    return nn.Linear(size, columns, bias=False, device=like.device, dtype=like.dtype)
