"""QRNN: gates from a convolution over the last steps, and a memory without products.

    z_t, f_t, o_t = split(W [x_{t-k+1}, …, x_t] + b)        k the window
    c_t = sigmoid(f_t) * c_{t-1} + (1 - sigmoid(f_t)) * tanh(z_t)
    h_t = sigmoid(o_t) * c_t

Before the first step x is 0. This is the paper's fo-pooling.

Source: Bradbury et al., "Quasi-Recurrent Neural Networks", 2016, arXiv:1611.01576, section 2.
"""

from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways


class QRNNState(NamedTuple):
    """`c` is the memory, `tail` the last inputs, the oldest first."""

    c: Float[Tensor, "B H"]
    tail: Float[Tensor, "B W F"]


class QRNN(Linear[QRNNState]):
    """Quasi-recurrent network.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        window: steps that the convolution sees, k.
        signed: decays lie in (-1, 1) rather than in (0, 1): f before c_{t-1} becomes 2 f - 1.
    """

    gates: ClassVar[tuple[str, ...]] = ("new", "forget", "output")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        window: int = 2,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("QRNN", input_size=input_size, hidden_size=hidden_size, window=window)
        self.input_size, self.output_size = input_size, hidden_size
        self.window, self.signed = window, signed
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        # columns: the window, the oldest step first, F for each
        self.project = nn.Linear(window * input_size, 3 * hidden_size, **made)

    def initial_state(self, batch_size: int) -> QRNNState:
        new_zeros = self.project.weight.new_zeros
        return QRNNState(
            new_zeros(batch_size, self.output_size),
            new_zeros(batch_size, self.window - 1, self.input_size),
        )

    def over(
        self, x: Float[Tensor, "B ... F"], state: QRNNState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], QRNNState]:
        seen, tail = [x], list[Tensor]()
        for old in reversed(state.tail.unbind(1)):
            before, last = ways.before(seen[0], old)
            seen.insert(0, before)
            tail.insert(0, last[:, None])
        z, f, o = self.project(torch.cat(seen, -1)).chunk(3, dim=-1)
        f = torch.sigmoid(f)
        c, last = ways.scan(2 * f - 1 if self.signed else f, (1 - f) * torch.tanh(z), state.c)
        return torch.sigmoid(o) * c, QRNNState(last, torch.cat(tail, 1) if tail else state.tail)
