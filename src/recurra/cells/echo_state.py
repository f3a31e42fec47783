"""Echo state network: a large random recurrence that is left as it is drawn; a readout learns.

    h_t = (1 - leak) * h_{t-1} + leak * tanh(W_ih x_t + W_hh h_{t-1} + b)

W_hh has `connectivity` H numbers in each row, at least one, from N(0, 1), and is then scaled so
that its largest eigenvalue is `spectral_radius` in size. W_ih ~ input_scaling U(-1, 1) and
b ~ bias_scaling U(-1, 1). All are buffers: nothing of it is trained, and one seed makes one
reservoir, in every type and on every device. `recurra.layers.Ridge` is a readout in closed form.

Source: Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks",
2001, GMD report 148, section 3.1; leak: Jaeger, Lukoševičius, Popovici and Siewert, "Optimization
and applications of echo state networks with leaky-integrator neurons", 2007, Neural Networks 20(3),
equation 5 in the form with one rate of Lukoševičius, "A Practical Guide to Applying Echo State
Networks", 2012, equations 2 and 3.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.errors import OptionError


class EchoStateState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class EchoState(Cell[EchoStateState]):
    """A fixed sparse reservoir.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the reservoir and of the output, H.
        spectral_radius: size of the largest eigenvalue of W_hh.
        leak: share of the state that is renewed at a step; 1 renews all.
        input_scaling: largest weight of an input.
        bias_scaling: largest bias.
        connectivity: share of the units that a unit hears.
        seed: of the draw.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        spectral_radius: float = 0.9,
        leak: float = 1.0,
        input_scaling: float = 1.0,
        bias_scaling: float = 0.0,
        connectivity: float = 0.1,
        seed: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("EchoState", input_size=input_size, hidden_size=hidden_size)
        for name, share in {"leak": leak, "connectivity": connectivity}.items():
            if not 0 < share <= 1:
                raise OptionError(f"EchoState: {name} is {share}, it must lie in (0, 1]")
        if spectral_radius < 0:
            raise OptionError(
                f"EchoState: spectral_radius is {spectral_radius}, it must be at least 0"
            )
        self.input_size = input_size
        self.output_size = hidden_size
        self.leak = leak
        for name, shape in (
            ("weight_ih", (hidden_size, input_size)),
            ("weight_hh", (hidden_size, hidden_size)),
            ("bias", (hidden_size,)),
        ):
            self.register_buffer(name, torch.empty(shape, device=device, dtype=dtype))
        # Without memory there is nothing to draw, which takes H³.
        if not self.bias.is_meta:
            draw = torch.Generator().manual_seed(seed)
            self.weight_ih.copy_(input_scaling * _uniform(hidden_size, input_size, draw))
            self.weight_hh.copy_(spectral_radius * _sparse(hidden_size, connectivity, draw))
            self.bias.copy_(bias_scaling * _uniform(hidden_size, 1, draw)[:, 0])

    def initial_state(self, batch_size: int) -> EchoStateState:
        return EchoStateState(self.weight_hh.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"], state: EchoStateState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], EchoStateState]:
        new = torch.tanh(F.linear(x, self.weight_ih, self.bias) + F.linear(state.h, self.weight_hh))
        h = (1 - self.leak) * state.h + self.leak * new
        return h, EchoStateState(h)


def _uniform(rows: int, columns: int, draw: torch.Generator) -> Tensor:
    return 2 * torch.rand(rows, columns, generator=draw, dtype=torch.float64, device="cpu") - 1


def _sparse(size: int, connectivity: float, draw: torch.Generator) -> Tensor:
    """A matrix whose largest eigenvalue is 1 in size.

    A row is never empty, and where every row has a number there is a loop of units that hear one
    another: so there is an eigenvalue other than 0.
    """
    on_cpu: dict[str, Any] = {"generator": draw, "dtype": torch.float64, "device": "cpu"}
    heard = torch.rand(size, size, **on_cpu).argsort(1)[:, : max(1, round(connectivity * size))]
    dense = torch.randn(size, size, **on_cpu)
    sparse = torch.zeros_like(dense).scatter(1, heard, dense.gather(1, heard))
    radius: Tensor = torch.linalg.eigvals(sparse).abs().max()
    return sparse / radius
