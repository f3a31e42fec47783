"""AntisymmetricRNN: a step along an ordinary differential equation that neither grows nor decays.

    v_t = (W_hh - W_hhᵀ - gamma I) h_{t-1}
    h_t = h_{t-1} + epsilon * tanh(v_t + W_ih x_t + b_ih)
    h_t = h_{t-1} + epsilon * sigmoid(v_t + W_iz x_t + b_z) * tanh(v_t + W_ih x_t + b_ih)    gated

Source: Chang et al., "AntisymmetricRNN: A Dynamical System View on Recurrent Neural Networks",
2019, arXiv:1902.09689, section 3. W_hh ~ N(0, 1/H), W_ih ~ N(0, 1/F), biases 0. epsilon, gamma and
the spread of W_hh are tuned for each task there; the values here are a place to begin. Only W_hh -
W_hhᵀ has influence, H (H - 1) / 2 numbers.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.errors import OptionError


class AntisymmetricState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class Antisymmetric(Cell[AntisymmetricState]):
    """Antisymmetric recurrent network.

    With `gated`, `weight_ih` is (2H, F) and `bias_ih` (2H): first the new value, then the gate.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        gated: whether an input gate scales the step; it has the same recurrent matrix.
        epsilon: length of a step; above 0.
        gamma: strength of the diffusion, which keeps the discrete step stable; at least 0.
    """

    gates: ClassVar[tuple[str, ...]] = ("new", "gate")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        gated: bool = False,
        epsilon: float = 0.01,
        gamma: float = 0.01,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Antisymmetric", input_size=input_size, hidden_size=hidden_size)
        if not epsilon > 0:
            raise OptionError(f"Antisymmetric: epsilon is {epsilon}, it must be above 0")
        if not gamma >= 0:
            raise OptionError(f"Antisymmetric: gamma is {gamma}, it must be at least 0")
        self.input_size = input_size
        self.output_size = hidden_size
        self.gated, self.epsilon, self.gamma = gated, epsilon, gamma
        G = (2 if gated else 1) * hidden_size
        drawn = torch.empty(G, input_size, device=device, dtype=dtype)
        self.weight_ih = nn.Parameter(drawn.normal_(0, input_size**-0.5))
        drawn = torch.empty(hidden_size, hidden_size, device=device, dtype=dtype)
        self.weight_hh = nn.Parameter(drawn.normal_(0, hidden_size**-0.5))
        self.bias_ih = nn.Parameter(torch.zeros(G, device=device, dtype=dtype))

    def initial_state(self, batch_size: int) -> AntisymmetricState:
        return AntisymmetricState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: AntisymmetricState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], AntisymmetricState]:
        u = F.linear(x, self.weight_ih, self.bias_ih)
        v = F.linear(state.h, self.weight_hh - self.weight_hh.T) - self.gamma * state.h
        if self.gated:
            u, z = u.chunk(2, dim=-1)
            new = torch.sigmoid(z + v) * torch.tanh(u + v)
        else:
            new = torch.tanh(u + v)
        h = state.h + self.epsilon * new
        return h, AntisymmetricState(h)
