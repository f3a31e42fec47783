"""IndRNN: each unit sees of the state itself alone.

    h_t = φ(W_ih x_t + b_ih + w_hh * h_{t-1})        φ = relu or tanh

Over n steps a gradient grows by at most |w_hh|^n where φ is relu. With `longest` = T the weights
are drawn U(0, 2^(1/T)), and `clip_` brings them back into ±2^(1/T) after a step of the optimiser;
without it they are drawn U(0, 1), the limit of a long T.

Source: Li et al., "Independently Recurrent Neural Network (IndRNN): Building A Longer and Deeper
RNN", 2018, arXiv:1803.04831, section 3; 2 is the growth that the paper allows over T steps. W_ih
and b_ih are drawn as those of `torch.nn.Linear`.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import uniform
from recurra.errors import OptionError

NONLINEARITIES = {"relu": torch.relu, "tanh": torch.tanh}
GAMMA = 2.0


class IndRNNState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class IndRNN(Cell[IndRNNState]):
    """Independently recurrent network: `weight_hh` is (H,).

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        nonlinearity: φ, "relu" or "tanh".
        longest: steps of the longest sequence, which bounds `weight_hh`; no bound when not given.
    """

    gates: ClassVar[tuple[str, ...]] = ("new",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "relu",
        longest: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("IndRNN", input_size=input_size, hidden_size=hidden_size)
        if nonlinearity not in NONLINEARITIES:
            known = ", ".join(NONLINEARITIES)
            raise OptionError(f"IndRNN: nonlinearity is {nonlinearity!r}, one of {known} fits")
        if longest is not None:
            positive("IndRNN", longest=longest)
        self.input_size = input_size
        self.output_size = hidden_size
        self.nonlinearity = nonlinearity
        self.bound = None if longest is None else GAMMA ** (1 / longest)
        self.weight_ih = uniform(
            input_size**-0.5, hidden_size, input_size, device=device, dtype=dtype
        )
        self.bias_ih = uniform(input_size**-0.5, hidden_size, device=device, dtype=dtype)
        first = torch.empty(hidden_size, device=device, dtype=dtype)
        self.weight_hh = nn.Parameter(first.uniform_(0, self.bound or 1.0))

    def initial_state(self, batch_size: int) -> IndRNNState:
        return IndRNNState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: IndRNNState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], IndRNNState]:
        u = F.linear(x, self.weight_ih, self.bias_ih) + self.weight_hh * state.h
        h = NONLINEARITIES[self.nonlinearity](u)
        return h, IndRNNState(h)

    @torch.no_grad()
    def clip_(self) -> None:
        """Bring the recurrent weights into their bound, after a step of an optimiser."""
        if self.bound is not None:
            self.weight_hh.clamp_(-self.bound, self.bound)
