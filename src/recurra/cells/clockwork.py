"""Clockwork RNN: modules that move at different rates.

    u_t = tanh(W_ih x_t + b_ih + (M * W_hh) h_{t-1})
    h_t = u_t in module g where t mod 2^g = 0, h_{t-1} elsewhere        t = 0, 1, 2, …

Units are shared out among the modules as evenly as they go, the fastest first; M lets a module read
itself and the slower ones: it is 1 in the blocks on and above the diagonal.

Source: Koutník et al., "A Clockwork RNN", 2014, arXiv:1402.3511, section 3, with its periods 1, 2,
4, …. The count t stands in the state, modulo the longest period, so it is exact for ever. Weights
drawn as those of `torch.nn.RNN`; the blocks below the diagonal have no influence.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import uniform
from recurra.errors import OptionError

MODULES = 4


class ClockworkState(NamedTuple):
    """`h` is the last output, `t` the steps so far, modulo the longest period."""

    h: Float[Tensor, "B H"]
    t: Float[Tensor, "B 1"]


class Clockwork(Cell[ClockworkState]):
    """Clockwork recurrent network.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        modules: how many rates there are, at most H and 20; 4 when not given, or H if less.
    """

    gates: ClassVar[tuple[str, ...]] = ("new",)
    period: Tensor
    reads: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        modules: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Clockwork", input_size=input_size, hidden_size=hidden_size)
        modules = min(MODULES, hidden_size) if modules is None else modules
        if not 1 <= modules <= min(hidden_size, 20):
            most = min(hidden_size, 20)
            raise OptionError(f"Clockwork: modules is {modules}, 1 to {most} fit")
        self.input_size = input_size
        self.output_size = hidden_size
        self.longest = 2.0 ** (modules - 1)
        bound = hidden_size**-0.5
        self.weight_ih = uniform(bound, hidden_size, input_size, device=device, dtype=dtype)
        self.weight_hh = uniform(bound, hidden_size, hidden_size, device=device, dtype=dtype)
        self.bias_ih = uniform(bound, hidden_size, device=device, dtype=dtype)
        rates = torch.arange(hidden_size, device=device) * modules // hidden_size
        kind = self.bias_ih.dtype
        self.register_buffer("period", (2.0**rates).to(kind), persistent=False)
        reads = rates[:, None] <= rates
        self.register_buffer("reads", reads.to(kind), persistent=False)

    def initial_state(self, batch_size: int) -> ClockworkState:
        new_zeros = self.weight_hh.new_zeros
        return ClockworkState(new_zeros(batch_size, self.output_size), new_zeros(batch_size, 1))

    def step(
        self, x: Float[Tensor, "B F"], state: ClockworkState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], ClockworkState]:
        u = F.linear(x, self.weight_ih, self.bias_ih)
        u = torch.tanh(u + F.linear(state.h, self.reads * self.weight_hh))
        # Below 1, not at 0: so any t of a caller's own comes around.
        due = state.t - torch.floor(state.t / self.period) * self.period < 1
        h = torch.where(due, u, state.h)
        t = state.t + 1
        return h, ClockworkState(h, t - torch.floor(t / self.longest) * self.longest)
