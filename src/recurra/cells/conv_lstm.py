"""ConvLSTM: an LSTM over images, whose products are convolutions.

    i_t, f_t, g_t, o_t = split(W_ih ⋆ x_t + W_hh ⋆ h_{t-1} + b)
    c_t = sigmoid(f_t) * c_{t-1} + sigmoid(i_t) * tanh(g_t)
    h_t = sigmoid(o_t) * tanh(c_t)

With peepholes i_t and f_t also see p_i * c_{t-1} and p_f * c_{t-1}, and o_t sees p_o * c_t; each p
is an image of weights (H, height, width), as in the paper. Many later programs leave them out, and
so does this one unless they are asked for. The gates are in the order of `torch.nn.LSTM`. Kernels
begin as those of `nn.Conv2d`, b and p at 0: the paper does not say.

Source: Shi, Chen, Wang, Yeung, Wong and Woo, "Convolutional LSTM Network: A Machine Learning
Approach for Precipitation Nowcasting", 2015, arXiv:1506.04214, section 3.1, equation 3.
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


class ConvLSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it; channels last."""

    h: Float[Tensor, "B height width H"]
    c: Float[Tensor, "B height width H"]


class ConvLSTM(Cell[ConvLSTMState]):
    """Convolutional LSTM; x is (B, T, F, height, width).

    Args:
        input_size: channels of x, F.
        hidden_size: channels of the state and of the output, H.
        size: height and width of an image.
        kernel: width of both convolutions, odd.
        peephole: whether the gates see the memory.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        size: tuple[int, int] = (4, 4),
        kernel: int = 3,
        peephole: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("ConvLSTM", input_size=input_size, hidden_size=hidden_size)
        check_image("ConvLSTM", kernel, size)
        self.input_size = input_size
        self.output_size = hidden_size
        self.size = size
        self.x_shape = (input_size, *size)
        there = (kernel, device, dtype)
        self.weight_ih = nn.Parameter(drawn(4 * hidden_size, input_size, *there))
        self.weight_hh = nn.Parameter(drawn(4 * hidden_size, hidden_size, *there))
        self.bias = nn.Parameter(self.weight_hh.new_zeros(4 * hidden_size))
        peepholes = self.weight_hh.new_zeros(3, hidden_size, *size)
        self.weight_peephole = nn.Parameter(peepholes) if peephole else None

    def initial_state(self, batch_size: int) -> ConvLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, *self.size, self.output_size)
        return ConvLSTMState(zeros, zeros)

    def step(
        self, x: Float[Tensor, "B F height width"], state: ConvLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H height width"], ConvLSTMState]:
        kernel = self.weight_hh.shape[-1]
        u = convolve(channels_last(x), self.weight_ih, self.bias)
        i, f, g, o = (u + convolve(state.h, self.weight_hh)).chunk(4, dim=-1)
        c = widened(state.c, kernel)
        p = None
        if self.weight_peephole is not None:
            p = widened(channels_last(self.weight_peephole), kernel)
        if p is not None:
            i, f = i + p[0] * c, f + p[1] * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        o = o if p is None else o + p[2] * c
        c = narrowed(c, self.size)
        h = narrowed(torch.sigmoid(o), self.size) * torch.tanh(c)
        return channels_first(h), ConvLSTMState(h, c)
