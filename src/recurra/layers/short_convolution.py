"""A short causal convolution over time, each feature by itself.

    u_t = b + Σ_j w_{W-1-j} * x_{t-j}             j = 0 … W-1
    y_t = u_t * sigmoid(u_t)                      without the activation u_t

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023,
arXiv:2312.00752, section 3.4, after Fu et al., "Hungry Hungry Hippos", 2022, arXiv:2212.14052.
Weights begin as those of `torch.nn.Conv1d`, uniform within 1 / √W.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways
from recurra.errors import OptionError


class ShortConvolutionState(NamedTuple):
    """`tail`: the last W - 1 inputs, the oldest first."""

    tail: Float[Tensor, "B W F"]


class ShortConvolution(Linear[ShortConvolutionState]):
    """A depthwise causal convolution, as a cell.

    Args:
        size: features per time step, F, of x and of y.
        width: steps that an output sees, itself among them, W; at least 2.
        activation: "silu", or None.
        bias: whether there is one.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        size: int,
        width: int = 4,
        *,
        activation: str | None = "silu",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("ShortConvolution", size=size)
        if width < 2:
            raise OptionError(f"ShortConvolution: width is {width}, it must be at least 2")
        if activation not in (None, "silu"):
            raise OptionError(f"ShortConvolution: activation is {activation!r}, 'silu' or None fit")
        self.input_size = self.output_size = size
        self.width, self.activation = width, activation
        self.weight = nn.Parameter(torch.empty(size, width, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(size, device=device, dtype=dtype)) if bias else None
        for each in self.parameters():
            nn.init.uniform_(each, -(width**-0.5), width**-0.5)

    def initial_state(self, batch_size: int) -> ShortConvolutionState:
        tail = self.weight.new_zeros(batch_size, self.width - 1, self.input_size)
        return ShortConvolutionState(tail)

    def over(
        self, x: Float[Tensor, "B ... F"], state: ShortConvolutionState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... F"], ShortConvolutionState]:
        y, tail = ways.convolve(x, state.tail, self.weight, self.bias)
        return F.silu(y) if self.activation else y, ShortConvolutionState(tail)
