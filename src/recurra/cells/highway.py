"""Recurrent highway network: several gated layers within a step.

    s^0 = h_{t-1}
    n^l, z^l = split(R^l s^{l-1} + b^l, and W_ih x_t where l = 1)
    s^l = tanh(n^l) * sigmoid(z^l) + s^{l-1} * (1 - sigmoid(z^l))        l = 1 … depth
    h_t = s^depth

Source: Zilly et al., "Recurrent Highway Networks", 2017, arXiv:1607.03474, section 4, with the
carry gate coupled to the transform gate z as in its experiments. Matrices and the bias of n are
drawn as those of `torch.nn.RNN`; the bias of z begins at -2, so that a step carries more than it
transforms.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.weights import uniform

CARRY = -2.0


class HighwayState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class Highway(Cell[HighwayState]):
    """Recurrent highway network.

    `weight_ih` is (2H, F), `weight_hh` (depth, 2H, H) and `bias_hh` (depth, 2H).

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        depth: layers within a step.
    """

    gates: ClassVar[tuple[str, ...]] = ("new", "transform")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        depth: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Highway", input_size=input_size, hidden_size=hidden_size, depth=depth)
        self.input_size = input_size
        self.output_size = hidden_size
        bound, G = hidden_size**-0.5, 2 * hidden_size
        self.weight_ih = uniform(bound, G, input_size, device=device, dtype=dtype)
        self.weight_hh = uniform(bound, depth, G, hidden_size, device=device, dtype=dtype)
        self.bias_hh = uniform(bound, depth, G, device=device, dtype=dtype)
        with torch.no_grad():
            self.bias_hh[:, hidden_size:] = CARRY

    def initial_state(self, batch_size: int) -> HighwayState:
        return HighwayState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: HighwayState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], HighwayState]:
        h = state.h
        u = F.linear(x, self.weight_ih)
        for depth, (weight, bias) in enumerate(
            zip(self.weight_hh.unbind(), self.bias_hh.unbind(), strict=True)
        ):
            v = F.linear(h, weight, bias)
            n, z = (u + v if depth == 0 else v).chunk(2, dim=-1)
            h = torch.lerp(h, torch.tanh(n), torch.sigmoid(z))  # (1 - z) * h + z * n
        return h, HighwayState(h)
