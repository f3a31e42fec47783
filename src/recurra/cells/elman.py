"""Elman: the simple recurrent network.

    h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)        φ = tanh, relu or modrelu

    modrelu(u) = sign(u) * relu(|u| + b)                   b ~ U(±0.01), a number a unit

Source: Elman, "Finding Structure in Time", 1990, Cognitive Science 14(2); as `torch.nn.RNN` has it.
modReLU on real numbers: Helfrich, Willmott and Ye, 2018, arXiv:1707.09520, section 3; after
Arjovsky, Shah and Bengio, "Unitary Evolution Recurrent Neural Networks", 2016, arXiv:1511.06464. It
goes with an orthogonal W_hh (`orthogonal`).
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import add_weights, uniform
from recurra.errors import OptionError

NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}
MODRELU = "modrelu"


class ElmanState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class Elman(Cell[ElmanState]):
    """Simple recurrent network.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        nonlinearity: φ, "tanh", "relu" or "modrelu".
        bias: whether b_ih and b_hh exist.
    """

    gates: ClassVar[tuple[str, ...]] = ("new",)
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Elman", input_size=input_size, hidden_size=hidden_size)
        if nonlinearity not in (*NONLINEARITIES, MODRELU):
            known = ", ".join([*NONLINEARITIES, MODRELU])
            raise OptionError(f"Elman: nonlinearity is {nonlinearity!r}, one of {known} fits")
        self.input_size = input_size
        self.output_size = hidden_size
        self.nonlinearity = nonlinearity
        add_weights(self, 1, input_size, hidden_size, bias=bias, device=device, dtype=dtype)
        if nonlinearity == MODRELU:
            self.bias_modrelu = uniform(0.01, hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> ElmanState:
        return ElmanState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: ElmanState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], ElmanState]:
        u = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(
            state.h, self.weight_hh, self.bias_hh
        )
        if self.nonlinearity == MODRELU:
            h = torch.sign(u) * torch.relu(torch.abs(u) + self.bias_modrelu)
        else:
            h = NONLINEARITIES[self.nonlinearity](u)
        return h, ElmanState(h)
