"""LTC: neurons with liquid time constants, wired by synapses that open with voltage.

    x' = w_in * x_t + b_in
    S_jk(u) = w_jk * sigmoid(sigma_jk * (u_j - mu_jk))                 synapse from j to k
    G = g + Σ_j S_jk(v) + Σ_j S'_jk(x') + 1e-8
    v ← v + d * (g * e + Σ_j S_jk(v) E_jk + Σ_j S'_jk(x') E'_jk - G * v) / (cm + d * G)
    y_t = w_out * v + b_out                  d = gap_t / unfolds; `unfolds` times a step

A semi-implicit Euler step is written as what it adds to v: the same numbers as the published
quotient, but no time may pass, and no sums cancel in the gradient of cm. Every neuron has a synapse
to every neuron, and every input to every neuron. The capacitances cm, leaks g and weights w are
kept positive: what is learned is their inverse softplus. First values, as in the authors' program:
g ~ U(.001, 1), e ~ U(-.2, .2), cm ~ U(.4, .6), w ~ U(.001, 1), sigma ~ U(3, 8), mu ~ U(.3, .8),
E is -1 for one synapse in three and 1 for the others, w_in and w_out are 1, b_in and b_out 0.

Source: Hasani, Lechner, Amini, Rus and Grosu, "Liquid Time-constant Networks", 2021, AAAI,
arXiv:2006.04439, equation 3 (the fused solver) and algorithm 1, and the authors' program for the
first values.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell
from recurra.cells.check import positive
from recurra.cells.timed import Timed, as_timed


class LTCState(NamedTuple):
    """`h` is the voltage of each neuron, v."""

    h: Float[Tensor, "B H"]


class LTC(Cell[LTCState]):
    """Liquid time-constant cell, fully wired.

    Args:
        input_size: features per time step, F.
        hidden_size: neurons, and width of the output, H.
        unfolds: steps of the solver a time step.
    """

    takes: tuple[type, ...] = (Timed,)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        unfolds: int = 6,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("LTC", input_size=input_size, hidden_size=hidden_size, unfolds=unfolds)
        self.input_size = input_size
        self.output_size = hidden_size
        self.unfolds = unfolds

        def draw(low: float, high: float, *shape: int) -> Tensor:
            return torch.empty(shape, device=device, dtype=dtype).uniform_(low, high)

        H = hidden_size
        self.raw_gleak = nn.Parameter(_unsoftplus(draw(0.001, 1.0, H)))
        self.vleak = nn.Parameter(draw(-0.2, 0.2, H))
        self.raw_cm = nn.Parameter(_unsoftplus(draw(0.4, 0.6, H)))
        self.neurons = Synapses(H, H, device, dtype)
        self.sensors = Synapses(input_size, H, device, dtype)
        self.input_w = nn.Parameter(draw(1.0, 1.0, input_size))
        self.input_b = nn.Parameter(draw(0.0, 0.0, input_size))
        self.output_w = nn.Parameter(draw(1.0, 1.0, H))
        self.output_b = nn.Parameter(draw(0.0, 0.0, H))

    def initial_state(self, batch_size: int) -> LTCState:
        return LTCState(self.vleak.new_zeros(batch_size, self.output_size))

    def step(
        self, x: Float[Tensor, "B F"] | Timed, state: LTCState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], LTCState]:
        value, gap = as_timed(x)
        d, cm, gleak = gap / self.unfolds, F.softplus(self.raw_cm), F.softplus(self.raw_gleak)
        driven, opened = self.sensors(value * self.input_w + self.input_b)
        driven, opened = gleak * self.vleak + driven, gleak + EPSILON + opened
        v = state.h
        for _ in range(self.unfolds):
            current, conductance = self.neurons(v)
            leaving = opened + conductance
            v = v + d * (driven + current - leaving * v) / (cm + d * leaving)
        return v * self.output_w + self.output_b, LTCState(v)


EPSILON = 1e-8


class Synapses(nn.Module):
    """One from each source to each neuron: their currents, and how far they are open, summed."""

    def __init__(
        self,
        sources: int,
        neurons: int,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()

        def draw(low: float, high: float) -> Tensor:
            made = torch.empty(sources, neurons, device=device, dtype=dtype)
            return made.uniform_(low, high)

        self.raw_w = nn.Parameter(_unsoftplus(draw(0.001, 1.0)))
        self.sigma = nn.Parameter(draw(3.0, 8.0))
        self.mu = nn.Parameter(draw(0.3, 0.8))
        self.erev = nn.Parameter(torch.where(draw(0.0, 3.0) < 1, -1.0, 1.0).to(self.mu))

    def forward(self, u: Float[Tensor, "B J"]) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        opened = F.softplus(self.raw_w) * torch.sigmoid(self.sigma * (u[:, :, None] - self.mu))
        return (opened * self.erev).sum(1), opened.sum(1)


def _unsoftplus(w: Tensor) -> Tensor:
    return w + torch.log(-torch.expm1(-w))
