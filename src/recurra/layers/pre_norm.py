"""A norm of what a cell reads.

    y_t = cell(norm(x_t))

Source: Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020,
arXiv:2002.04745, section 3.1; layer norm: Ba, Kiros and Hinton, "Layer Normalization", 2016,
arXiv:1607.06450, section 3; rms norm: Zhang and Sennrich, "Root Mean Square Layer Normalization",
2019, arXiv:1910.07467, equation 4.
"""

from typing import Any

from torch import Tensor, nn

from recurra.cells.cell import Cell, Context, Inputs
from recurra.cells.over import Step, Whole
from recurra.errors import OptionError, UnsupportedError
from recurra.layers.around import Around, Move, like

NORMS: dict[str, type[nn.LayerNorm] | type[nn.RMSNorm]] = {
    "layer": nn.LayerNorm,
    "rms": nn.RMSNorm,
}
EPS = 1e-6


class PreNorm(Around):
    """Normalises the features of each step before a cell reads them.

    Args:
        cell: takes features.
        norm: "layer" or "rms".

    Raises:
        OptionError: norm is something else.
        UnsupportedError: the cell takes whole numbers, or images.
    """

    def __init__(self, cell: Cell[Any], norm: str = "layer") -> None:
        super().__init__(cell)
        if cell.ids or cell.x_shape is not None:
            raise UnsupportedError("PreNorm: the cell takes no features, which a norm needs")
        self.norm = norm_of("PreNorm", norm, cell.input_size, like(cell))

    def initial_state(self, batch_size: int) -> Any:
        return self.cell.initial_state(batch_size)

    def sample_context(self, batch_size: int) -> Context:
        return self.cell.sample_context(batch_size)

    def over(
        self, x: Inputs, state: Any, context: Context, move: Move, ways: Step | Whole
    ) -> tuple[Tensor, Any]:
        return move(self.norm(x), state, context)


def norm_of(where: str, norm: str, size: int, like: Tensor) -> nn.Module:
    """A norm over so many features.

    Raises:
        OptionError: there is no such norm.
    """
    if norm not in NORMS:
        raise OptionError(f"{where}: norm is {norm!r}, one of {', '.join(NORMS)} fits")
    return NORMS[norm](size, eps=EPS, device=like.device, dtype=like.dtype)
