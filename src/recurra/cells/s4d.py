"""S4D-Lin: a diagonal state space a feature, with eigenvalues in a line.

    u_t = W x_t + b                                    H features, each with N / 2 complex h
    h_t = exp(Δ A) * h_{t-1} + u_t                     A_n = -1/2 + i π n at the beginning
    y_t = 2 Re(Σ_n C_n (exp(Δ A_n) - 1) / A_n * h_t,n) + D u_t

A, C and h come in conjugate pairs, of which one half is kept. B is 1, as published; what its
discretisation by zero-order hold makes of it stands beside C, which spares the loop a product. The
published layer has as many features out as in and no W.

Source: Gu et al., "On the Parameterization and Initialization of Diagonal State Space Models",
2022, arXiv:2206.11893, sections 3.1, 3.3 and 4 (S4D-Lin).
"""

from math import log, pi
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways
from recurra.errors import OptionError


class S4DState(NamedTuple):
    """The parts of the complex h of every feature."""

    real: Float[Tensor, "B H M"]
    imag: Float[Tensor, "B H M"]


class S4D(Linear[S4DState]):
    """Diagonal structured state space.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output, H.
        state_size: numbers in the state of a feature, N; even.
        dt_min, dt_max: the range of Δ at the beginning, in steps.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int = 64,
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("S4D", input_size=input_size, hidden_size=hidden_size, state_size=state_size)
        if state_size % 2:
            raise OptionError(f"S4D: state_size is {state_size}, an even number fits")
        if not 0 < dt_min <= dt_max:
            raise OptionError(
                f"S4D: dt_min is {dt_min} and dt_max {dt_max}, 0 < dt_min ≤ dt_max fits"
            )
        self.input_size, self.output_size, self.pairs = input_size, hidden_size, state_size // 2
        shape = (hidden_size, self.pairs)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.project = nn.Linear(input_size, hidden_size, **made)
        log_dt = torch.empty(hidden_size, **made).uniform_(log(dt_min), log(dt_max))
        self.log_dt = nn.Parameter(log_dt)
        self.A_log_real = nn.Parameter(torch.full(shape, log(0.5), **made))
        line = pi * torch.arange(self.pairs, **made)
        self.A_imag = nn.Parameter(line.repeat(hidden_size, 1))
        self.C_real = nn.Parameter(torch.randn(shape, **made) * 0.5**0.5)
        self.C_imag = nn.Parameter(torch.randn(shape, **made) * 0.5**0.5)
        self.D = nn.Parameter(torch.randn(hidden_size, **made))

    def initial_state(self, batch_size: int) -> S4DState:
        zeros = self.A_imag.new_zeros(batch_size, self.output_size, self.pairs)
        return S4DState(zeros, zeros)

    def over(
        self, x: Float[Tensor, "B ... F"], state: S4DState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], S4DState]:
        u = self.project(x)
        keep, read = self._discrete()
        add = u[..., None].expand(*u.shape, self.pairs)
        (real, imag), last = ways.scan_complex(keep, (add, torch.zeros_like(add)), state)
        y = (read[0] * real - read[1] * imag).sum(-1)
        return y + self.D * u, S4DState(*last)

    def _discrete(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """exp(Δ A), and 2 C (exp(Δ A) - 1) / A, in parts."""
        dt = torch.exp(self.log_dt)[:, None]
        real, imag = -torch.exp(self.A_log_real), self.A_imag
        size, angle = torch.exp(dt * real), dt * imag
        keep_real, keep_imag = size * torch.cos(angle), size * torch.sin(angle)
        # exp(z) - 1 without cancellation: expm1(Re z) cos(Im z) - 2 sin²(Im z / 2) in the real part
        less = torch.expm1(dt * real) * torch.cos(angle) - 2 * torch.sin(0.5 * angle) ** 2
        norm = real**2 + imag**2
        hold_real = (less * real + keep_imag * imag) / norm
        hold_imag = (keep_imag * real - less * imag) / norm
        read_real = 2 * (self.C_real * hold_real - self.C_imag * hold_imag)
        read_imag = 2 * (self.C_real * hold_imag + self.C_imag * hold_real)
        return (keep_real, keep_imag), (read_real, read_imag)
