"""A norm of what a cell gives, one a head, and a gate on it.

    y_t = norm(cell(x_t)) * silu(W x_t)
    norm(u) = g * u / sqrt(mean(u²) + eps)        the mean within each head

Source: Sun et al., "Retentive Network: A Successor to Transformer for Large Language Models", 2023,
arXiv:2307.08621, equation 8, whose group norm is an rms norm in Yang et al., "Gated Linear
Attention Transformers with Hardware-Efficient Training", 2023, arXiv:2312.06635, section 4.4.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.over import Step, Whole
from recurra.errors import OptionError, UnsupportedError
from recurra.layers.around import Around, Move, like
from recurra.layers.pre_norm import EPS


class HeadNorm(nn.Module):
    """An rms norm within each head, with one weight a column.

    Args:
        size: columns of all heads.
        heads: divides size.
        like: a tensor of the type and device of the weight.
    """

    def __init__(self, where: str, size: int, heads: int, like: Tensor) -> None:
        super().__init__()
        if heads < 1 or size % heads:
            raise OptionError(f"{where}: heads is {heads}, a divisor of {size} fits")
        self.heads = heads
        self.weight = nn.Parameter(like.new_ones(size))

    def forward(self, u: Float[Tensor, "B ... H"]) -> Float[Tensor, "B ... H"]:
        parts = u.reshape(*u.shape[:-1], self.heads, u.shape[-1] // self.heads)
        return F.rms_norm(parts, parts.shape[-1:], eps=EPS).flatten(-2) * self.weight


class GatedNorm(Around):
    """Normalises the output of a cell and gates it by what the cell reads.

    Args:
        cell: takes features.
        heads: each is normalised by itself; divides the cell's output size.

    Raises:
        OptionError: heads does not fit.
        UnsupportedError: the cell takes whole numbers, or images.
    """

    def __init__(self, cell: Cell[Any], heads: int = 1) -> None:
        super().__init__(cell)
        if cell.ids or cell.x_shape is not None:
            raise UnsupportedError("GatedNorm: the cell takes no features, which a gate needs")
        own, H = like(cell), cell.output_size
        self.norm = HeadNorm("GatedNorm", H, heads, own)
        self.gate = nn.Linear(cell.input_size, H, bias=False, device=own.device, dtype=own.dtype)

    def initial_state(self, batch_size: int) -> Any:
        return self.cell.initial_state(batch_size)

    def sample_context(self, batch_size: int) -> Context:
        return self.cell.sample_context(batch_size)

    def over(
        self, x: Inputs, state: Any, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, Any]:
        y, state = move(x, state, context)
        return self.norm(y) * F.silu(self.gate(x)), state
