"""A convolution over time around each place, as a layer.

    y_t = max(0, b + Σ_k W_k x_{t+k})            k = -(width-1)/2 … (width-1)/2

x is 0 outside of a sequence. One product does it, on the width's inputs side by side.

Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, Proceedings
of the IEEE 86(11), section II, along one axis; its place in front of an encoder: Lee, Cho and
Hofmann, "Fully Character-Level Neural Machine Translation without Explicit Segmentation", 2017,
arXiv:1610.03017, section 4.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import admit, positive
from recurra.engine import clear
from recurra.errors import OptionError
from recurra.layers.each import Each
from recurra.layers.stepless import Stepless, sequence_numbers


class Convolution(Stepless):
    """Mixes the features of neighbouring places; a sequence keeps its length.

    Args:
        input_size: F.
        output_size: H.
        width: places that an output sees, itself in their middle; odd.

    Raises:
        OptionError: an option does not fit.
    """

    why = "each output needs inputs that come later"

    def __init__(
        self,
        input_size: int,
        output_size: int,
        width: int = 3,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Convolution", input_size=input_size, output_size=output_size)
        if width < 1 or width % 2 == 0:
            raise OptionError(f"Convolution: width is {width}, an odd number fits")
        self.input_size, self.output_size, self.width = input_size, output_size, width
        # (H, width * F), the place furthest back first.
        linear = nn.Linear(width * input_size, output_size, device=device, dtype=dtype)
        self.project = Each(linear)

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def sequence(
        self,
        x: Float[Tensor, "B T F"],
        state: tuple[()] | None = None,
        context: None = None,
        *,
        lengths: Int64[Tensor, " B"] | None = None,
        reset: Bool[Tensor, "B T"] | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Float[Tensor, "B T H"], Any]:
        """As `Cell.sequence`; a place sees those of its own sequence between resets alone."""
        admit("Convolution", self, x, state, lengths, reset)
        around = self._around(x, sequence_numbers(x.shape[1], lengths, reset))
        y, _ = self.project.sequence(
            around, lengths=lengths, checkpoint=checkpoint, weights=weights
        )
        return torch.relu(y), ()

    def _around(self, x: Tensor, number: Tensor | None) -> Tensor:
        """What each place sees, side by side: (B, T, width * F)."""
        T, edge = x.shape[1], self.width // 2
        if number is None:
            long = F.pad(x, (0, 0, edge, edge))
            return torch.cat([long[:, k : k + T] for k in range(self.width)], -1)
        long = F.pad(clear(number < 0, x), (0, 0, edge, edge))
        numbers = F.pad(number, (edge, edge), value=-1)
        seen = [
            clear(numbers[:, k : k + T] != number, long[:, k : k + T]) for k in range(self.width)
        ]
        return torch.cat(seen, -1)
