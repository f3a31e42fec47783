"""Mogrifier LSTM: input and state scale one another before an LSTM reads them.

    x^r = 2 sigmoid(Q^r h^{r-1}) * x^{r-1},  h^r = h^{r-1}        r = 1, 3, 5, …
    h^r = 2 sigmoid(R^r x^{r-1}) * h^{r-1},  x^r = x^{r-1}        r = 2, 4, 6, …
    h_t, c_t = LSTM(x^rounds, h^rounds, c_{t-1})                   from x^0 = x_t, h^0 = h_{t-1}

With `rank` each of Q^r and R^r is a product of two matrices of that inner width.

Source: Melis, Kočiský and Blunsom, "Mogrifier LSTM", 2020, arXiv:1909.01792, section 2, equations 2
and 3. The matrices have no bias and are drawn as those of `torch.nn.Linear`, the LSTM's as those of
`torch.nn.LSTM`; the cap i ≤ 1 - f of the paper's experiments is not part of it.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import add_weights
from recurra.errors import OptionError


class MogrifierLSTMState(NamedTuple):
    """`h` is the last output, `c` the memory behind it."""

    h: Float[Tensor, "B H"]
    c: Float[Tensor, "B H"]


class MogrifierLSTM(Cell[MogrifierLSTMState]):
    """LSTM with mutual gates of input and state.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the memory and of the output, H.
        rounds: how often x and h scale one another in turn; 0 is an LSTM.
        rank: inner width of the matrices between them; full when not given.
        bias: whether b_ih and b_hh exist.
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rounds: int = 5,
        rank: int | None = None,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("MogrifierLSTM", input_size=input_size, hidden_size=hidden_size)
        if rounds < 0:
            raise OptionError(f"MogrifierLSTM: rounds is {rounds}, it must be at least 0")
        if rank is not None:
            positive("MogrifierLSTM", rank=rank)
        self.input_size = input_size
        self.output_size = hidden_size
        add_weights(self, 4, input_size, hidden_size, bias=bias, device=device, dtype=dtype)

        def between(wide: int, to: int) -> nn.Module:
            if rank is None:
                return nn.Linear(wide, to, bias=False, device=device, dtype=dtype)
            return nn.Sequential(
                nn.Linear(wide, rank, bias=False, device=device, dtype=dtype),
                nn.Linear(rank, to, bias=False, device=device, dtype=dtype),
            )

        self.scale_x = nn.ModuleList(
            between(hidden_size, input_size) for _ in range((rounds + 1) // 2)
        )
        self.scale_h = nn.ModuleList(between(input_size, hidden_size) for _ in range(rounds // 2))

    def initial_state(self, batch_size: int) -> MogrifierLSTMState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return MogrifierLSTMState(zeros, torch.zeros_like(zeros))

    def step(
        self, x: Float[Tensor, "B F"], state: MogrifierLSTMState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], MogrifierLSTMState]:
        h = state.h
        for k, scale in enumerate(self.scale_x):
            x = 2 * torch.sigmoid(scale(h)) * x
            if k < len(self.scale_h):
                h = 2 * torch.sigmoid(self.scale_h[k](x)) * h
        u = F.linear(x, self.weight_ih, self.bias_ih)
        i, f, g, o = (u + F.linear(h, self.weight_hh, self.bias_hh)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, MogrifierLSTMState(h, c)
