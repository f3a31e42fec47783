"""coRNN: coupled oscillators, driven by the input.

    z_t = z_{t-1} + dt * (tanh(W_hh h_{t-1} + W_zh z_{t-1} + W_ih x_t + b_ih)
                          - gamma * h_{t-1} - epsilon * z_{t-1})
    h_t = h_{t-1} + dt * z_t

Source: Rusch and Mishra, "Coupled Oscillatory Recurrent Neural Network (coRNN): An accurate and
(gradient) stable architecture for learning long time dependencies", 2021, arXiv:2010.00951, section
2, equation 3 with the damping at the old velocity. dt, gamma and epsilon are by default those of
the authors' code for sequential MNIST; the matrices are drawn as the one `torch.nn.Linear` that
holds them all there, U(±1/√(F + 2H)).
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


class CoRNNState(NamedTuple):
    """`h`, the last output, is where the oscillators are; `z` is how fast they move."""

    h: Float[Tensor, "B H"]
    z: Float[Tensor, "B H"]


class CoRNN(Cell[CoRNNState]):
    """Coupled oscillatory network.

    Args:
        input_size: features per time step, F.
        hidden_size: how many oscillators there are, and the width of the output, H.
        dt: time between two steps; above 0.
        gamma: stiffness, which sets their own frequencies; above 0.
        epsilon: damping; above 0.
    """

    gates: ClassVar[tuple[str, ...]] = ("new",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dt: float = 0.042,
        gamma: float = 2.7,
        epsilon: float = 4.7,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("CoRNN", input_size=input_size, hidden_size=hidden_size)
        for name, value in {"dt": dt, "gamma": gamma, "epsilon": epsilon}.items():
            if not value > 0:
                raise OptionError(f"CoRNN: {name} is {value}, it must be above 0")
        self.input_size = input_size
        self.output_size = hidden_size
        self.dt, self.gamma, self.epsilon = dt, gamma, epsilon
        bound = (input_size + 2 * hidden_size) ** -0.5
        self.weight_ih = uniform(bound, hidden_size, input_size, device=device, dtype=dtype)
        self.weight_hh = uniform(bound, hidden_size, hidden_size, device=device, dtype=dtype)
        self.weight_zh = uniform(bound, hidden_size, hidden_size, device=device, dtype=dtype)
        self.bias_ih = uniform(bound, hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> CoRNNState:
        zeros = self.weight_hh.new_zeros(batch_size, self.output_size)
        return CoRNNState(zeros, torch.zeros_like(zeros))

    def step(
        self, x: Float[Tensor, "B F"], state: CoRNNState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], CoRNNState]:
        u = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(state.h, self.weight_hh)
        u = torch.tanh(u + F.linear(state.z, self.weight_zh))
        z = state.z + self.dt * (u - self.gamma * state.h - self.epsilon * state.z)
        h = state.h + self.dt * z
        return h, CoRNNState(h, z)
