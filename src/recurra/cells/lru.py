"""LRU: a linear recurrence of complex numbers inside the unit disc.

    λ   = exp(-exp(ν) + i exp(θ))
    h_t = λ * h_{t-1} + exp(γ) * (B x_t)         h, B, C complex; N of them in h
    y_t = Re(C h_t) + D x_t

The eigenvalues begin uniformly distributed over a ring, and γ so that h keeps the size of its
input: exp(γ) = √(1 - |λ|²). D is the matrix of the equations; the published code has one number
a feature, which asks for as many features out as come in.

Source: Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences", 2023,
arXiv:2303.06349, sections 3.2 to 3.4 and appendix A.
"""

from math import log, tau
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways
from recurra.errors import OptionError


class LRUState(NamedTuple):
    """The parts of the complex h."""

    real: Float[Tensor, "B N"]
    imag: Float[Tensor, "B N"]


class LRU(Linear[LRUState]):
    """Linear recurrent unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output, H.
        state_size: complex numbers in the state, N; H when not given.
        r_min, r_max: the ring within which |λ| begins, in 0 … 1.
        max_phase: the largest angle of λ at the beginning, in radians.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int | None = None,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = tau,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        N = hidden_size if state_size is None else state_size
        positive("LRU", input_size=input_size, hidden_size=hidden_size, state_size=N)
        if not 0 <= r_min < r_max <= 1:
            raise OptionError(
                f"LRU: r_min is {r_min} and r_max {r_max}, 0 ≤ r_min < r_max ≤ 1 fits"
            )
        if not 0 < max_phase <= tau:
            raise OptionError(f"LRU: max_phase is {max_phase}, above 0 and at most 2π fits")
        self.input_size, self.output_size, self.state_size = input_size, hidden_size, N

        def drawn(scale: float, *shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(shape, device=device, dtype=dtype) * scale)

        nu, theta = _ring(N, r_min, r_max, max_phase, device, dtype)
        self.nu, self.theta = nn.Parameter(nu), nn.Parameter(theta)
        # log √(1 - |λ|²), where |λ|² = exp(-2 exp(ν))
        self.gamma = nn.Parameter(0.5 * torch.log(-torch.expm1(-2 * torch.exp(nu))))
        self.B_real = drawn((2 * input_size) ** -0.5, N, input_size)
        self.B_imag = drawn((2 * input_size) ** -0.5, N, input_size)
        self.C_real = drawn(N**-0.5, hidden_size, N)
        self.C_imag = drawn(N**-0.5, hidden_size, N)
        self.D = drawn(input_size**-0.5, hidden_size, input_size)

    def initial_state(self, batch_size: int) -> LRUState:
        zeros = self.nu.new_zeros(batch_size, self.state_size)
        return LRUState(zeros, zeros)

    def over(
        self, x: Float[Tensor, "B ... F"], state: LRUState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], LRUState]:
        radius, angle = torch.exp(-torch.exp(self.nu)), torch.exp(self.theta)
        keep = (radius * torch.cos(angle), radius * torch.sin(angle))
        scale = torch.exp(self.gamma)
        add = (scale * F.linear(x, self.B_real), scale * F.linear(x, self.B_imag))
        (real, imag), last = ways.scan_complex(keep, add, state)
        y = F.linear(real, self.C_real) - F.linear(imag, self.C_imag) + F.linear(x, self.D)
        return y, LRUState(*last)


def _ring(
    N: int,
    r_min: float,
    r_max: float,
    max_phase: float,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> tuple[Tensor, Tensor]:
    """ν and θ of eigenvalues uniform over a ring, away from where their logarithms end."""
    square, turn = torch.rand(2, N, device=device, dtype=dtype).clamp(1e-6, 1 - 1e-6)
    square = square * (r_max**2 - r_min**2) + r_min**2
    return torch.log(-0.5 * torch.log(square)), torch.log(turn) + log(max_phase)
