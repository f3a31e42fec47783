"""ODE-RNN: between observations the state follows a learned flow, at each a GRU updates it.

    h' = solve(dh/ds = W_2 tanh(W_1 h + b_1) + b_2, from h_{t-1}, over gap_t)
    r, z = sigmoid(split(W_ih x_t + b_ih + W_hh h' + b_hh))
    n = tanh(W_in x_t + b_in + r * (W_hn h' + b_hn))
    h_t = (1 - z) * n + z * h'

The solver makes a fixed number of equal steps over the gap, by Euler's rule or by the classic one
of Runge and Kutta, so that a gap of any width costs the same and a step is the same function at any
time. The paper solves to a tolerance; its program's flow has tanh layers whose weights begin as
N(0, 0.1²) with b = 0, as here.

Source: Rubanova, Chen and Duvenaud, "Latent Ordinary Differential Equations for
Irregularly-Sampled Time Series", 2019, arXiv:1907.03907, section 3.1, algorithm 1; the GRU is
`torch.nn.GRU`'s, in its order.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.timed import Timed, as_timed
from recurra.cells.weights import add_weights
from recurra.errors import OptionError

SOLVERS = ("euler", "rk4")


class ODERNNState(NamedTuple):
    """`h` is the last output, at the time of its step."""

    h: Float[Tensor, "B H"]


class ODERNN(Cell[ODERNNState]):
    """GRU over a continuous flow.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        solver: euler or rk4.
        substeps: steps of the solver in each gap.
        units: width of the flow's hidden layer; H when not given.
    """

    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "new")
    takes: tuple[type, ...] = (Timed,)
    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter
    bias_hh: nn.Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        solver: str = "rk4",
        substeps: int = 1,
        units: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("ODERNN", input_size=input_size, hidden_size=hidden_size, substeps=substeps)
        units = hidden_size if units is None else units
        positive("ODERNN", units=units)
        if solver not in SOLVERS:
            raise OptionError(f"ODERNN: solver is {solver!r}, one of {', '.join(SOLVERS)} fits")
        self.input_size = input_size
        self.output_size = hidden_size
        self.solver, self.substeps = solver, substeps
        add_weights(self, 3, input_size, hidden_size, bias=True, device=device, dtype=dtype)
        self.inner = nn.Linear(hidden_size, units, device=device, dtype=dtype)
        self.outer = nn.Linear(units, hidden_size, device=device, dtype=dtype)
        for layer in (self.inner, self.outer):
            nn.init.normal_(layer.weight, std=0.1)
            nn.init.zeros_(layer.bias)

    def initial_state(self, batch_size: int) -> ODERNNState:
        return ODERNNState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def flow(self, h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """dh/ds."""
        speed: Tensor = self.outer(torch.tanh(self.inner(h)))
        return speed

    def step(
        self, x: Float[Tensor, "B F"] | Timed, state: ODERNNState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], ODERNNState]:
        value, gap = as_timed(x)
        h, width = state.h, gap / self.substeps
        for _ in range(self.substeps):
            h = h + width * (self.flow(h) if self.solver == "euler" else self._slope(h, width))
        H = self.output_size
        u = F.linear(value, self.weight_ih, self.bias_ih)
        v = F.linear(h, self.weight_hh, self.bias_hh)
        r, z = torch.sigmoid(u[:, : 2 * H] + v[:, : 2 * H]).chunk(2, dim=-1)
        n = torch.tanh(u[:, 2 * H :] + r * v[:, 2 * H :])
        h = (1 - z) * n + z * h
        return h, ODERNNState(h)

    def _slope(self, h: Tensor, width: Tensor) -> Tensor:
        one = self.flow(h)
        two = self.flow(h + width / 2 * one)
        three = self.flow(h + width / 2 * two)
        four = self.flow(h + width * three)
        return (one + 2 * two + 2 * three + four) / 6
