"""ConvGRU: a GRU over images, whose products are convolutions.

    r_t, z_t = sigmoid(split(W_ih ⋆ x_t + W_hh ⋆ h_{t-1} + b))
    n_t = tanh(W_in ⋆ x_t + W_hn ⋆ (r_t * h_{t-1}) + b_n)
    h_t = (1 - z_t) * h_{t-1} + z_t * n_t

As in the paper the reset gate works before the convolution, and z_t is the share of what is new:
neither is `torch.nn.GRU`'s way. Kernels begin as those of `nn.Conv2d`, b at 0.

Source: Ballas, Yao, Pal and Courville, "Delving Deeper into Convolutional Networks for Learning
Video Representations", 2016, arXiv:1511.06432, section 3.1, equations 7 to 10.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.convolution import (
    channels_first,
    channels_last,
    check_image,
    convolve,
    drawn,
    narrowed,
    widened,
)


class ConvGRUState(NamedTuple):
    """`h` is the last output, channels last."""

    h: Float[Tensor, "B height width H"]


class ConvGRU(Cell[ConvGRUState]):
    """Convolutional GRU; x is (B, T, F, height, width).

    Args:
        input_size: channels of x, F.
        hidden_size: channels of the state and of the output, H.
        size: height and width of an image.
        kernel: width of all convolutions, odd.
    """

    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "new")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        size: tuple[int, int] = (4, 4),
        kernel: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("ConvGRU", input_size=input_size, hidden_size=hidden_size)
        check_image("ConvGRU", kernel, size)
        self.input_size = input_size
        self.output_size = hidden_size
        self.size = size
        self.x_shape = (input_size, *size)
        there = (kernel, device, dtype)
        self.weight_ih = nn.Parameter(drawn(3 * hidden_size, input_size, *there))
        self.weight_hh = nn.Parameter(drawn(3 * hidden_size, hidden_size, *there))
        self.bias = nn.Parameter(self.weight_hh.new_zeros(3 * hidden_size))

    def initial_state(self, batch_size: int) -> ConvGRUState:
        zeros = self.weight_hh.new_zeros(batch_size, *self.size, self.output_size)
        return ConvGRUState(zeros)

    def step(
        self, x: Float[Tensor, "B F height width"], state: ConvGRUState, context: None = None
    ) -> tuple[Float[Tensor, "B H height width"], ConvGRUState]:
        x, shared = channels_last(x), 2 * self.output_size
        u = convolve(x, self.weight_ih[:shared], self.bias[:shared])
        gates = torch.sigmoid(u + convolve(state.h, self.weight_hh[:shared]))
        r, z = gates.chunk(2, dim=-1)
        old = widened(state.h, self.weight_hh.shape[-1])
        kept = narrowed(r * old, self.size)
        u = convolve(x, self.weight_ih[shared:], self.bias[shared:])
        n = torch.tanh(u + convolve(kept, self.weight_hh[shared:]))
        h = narrowed((1 - z) * old, self.size) + narrowed(z * n, self.size)
        return channels_first(h), ConvGRUState(h)
