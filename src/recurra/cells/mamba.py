"""Mamba: a selective state space (S6) between a short convolution and a gate.

    u_t, z_t = split(W_in x_t)                                  E numbers each, E = expand * H
    u_t = silu(conv(u_{t-W+1}, …, u_t))                         causal, each channel by itself
    d_t, B_t, C_t = split(W_x u_t)                              R, N and N numbers
    Δ_t = softplus(W_Δ d_t + b_Δ)
    h_t = exp(Δ_t A) * h_{t-1} + Δ_t u_t ⊗ B_t                  A = -exp(A_log); h is (E, N)
    y_t = W_out ((h_t C_t + D u_t) * silu(z_t))

Parameters have the names and shapes of the released code, whose weights load by name.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023,
arXiv:2312.00752, sections 3.2 to 3.6; the discretisation of B is the released code's, Δ B.
"""

from math import log
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways

DT_MIN, DT_MAX, DT_FLOOR = 1e-3, 1e-1, 1e-4


class MambaState(NamedTuple):
    """`h` is the memory, `tail` the last inputs of the convolution, the oldest first."""

    h: Float[Tensor, "B E N"]
    tail: Float[Tensor, "B W E"]


class CoreInputs(NamedTuple):
    """Step sizes Δ, inputs u, and the B and C that write and read the memory."""

    dt: Float[Tensor, "B ... E"]
    u: Float[Tensor, "B ... E"]
    write: Float[Tensor, "B ... N"]
    read: Float[Tensor, "B ... N"]


class CoreState(NamedTuple):
    """`h` is the memory."""

    h: Float[Tensor, "B E N"]


class Mamba(Linear[MambaState]):
    """Mixer of a Mamba block.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output, H.
        state_size: numbers in the memory of a channel, N.
        window: steps that the convolution sees, W.
        expand: channels over H.
        dt_rank: width of d, R; H / 16, rounded up, when not given.
        signed: decays lie in (-1, 1) rather than in (0, 1): exp(Δ A) becomes 2 exp(Δ A) - 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int = 16,
        window: int = 4,
        expand: int = 2,
        dt_rank: int | None = None,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        R = -(-hidden_size // 16) if dt_rank is None else dt_rank
        positive("Mamba", input_size=input_size, hidden_size=hidden_size)
        positive("Mamba", state_size=state_size, window=window, expand=expand, dt_rank=R)
        self.input_size, self.output_size, self.signed = input_size, hidden_size, signed
        E = expand * hidden_size
        self.sizes = [R, state_size, state_size]
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.in_proj = nn.Linear(input_size, 2 * E, bias=False, **made)
        self.conv1d = nn.Conv1d(E, E, window, groups=E, **made)
        self.x_proj = nn.Linear(E, sum(self.sizes), bias=False, **made)
        self.dt_proj = nn.Linear(R, E, **made)
        line = torch.arange(1, state_size + 1, **made)
        self.A_log = nn.Parameter(torch.log(line).repeat(E, 1))
        self.D = nn.Parameter(torch.ones(E, **made))
        self.out_proj = nn.Linear(E, hidden_size, bias=False, **made)
        with torch.no_grad():
            self.dt_proj.weight.uniform_(-(R**-0.5), R**-0.5)
            dt = torch.exp(torch.empty(E, **made).uniform_(log(DT_MIN), log(DT_MAX)))
            dt = dt.clamp(min=DT_FLOOR)
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # softplus gives dt again

    def initial_state(self, batch_size: int) -> MambaState:
        (E, N), W = self.A_log.shape, self.conv1d.kernel_size[0]
        new_zeros = self.A_log.new_zeros
        return MambaState(new_zeros(batch_size, E, N), new_zeros(batch_size, W - 1, E))

    def over(
        self, x: Float[Tensor, "B ... F"], state: MambaState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], MambaState]:
        u, z = self.in_proj(x).chunk(2, dim=-1)
        weight = self.conv1d.weight.squeeze(1)
        u, tail = ways.convolve(u, state.tail, weight, self.conv1d.bias)
        u = F.silu(u)
        d, write, read = self.x_proj(u).split(self.sizes, dim=-1)
        inputs = CoreInputs(F.softplus(self.dt_proj(d)), u, write, read)
        if ways.native:
            y, last = ways.run(self.core, inputs, CoreState(state.h))
            h = last.h
        else:
            every, h = ways.scan(*self._moves(inputs), state.h)
            y = (every * read[..., None, :]).sum(-1)
        y = self.out_proj((y + self.D * u) * F.silu(z))
        return y, MambaState(h, tail)

    def core(
        self, x: CoreInputs, state: CoreState, context: None = None
    ) -> tuple[Float[Tensor, "B E"], CoreState]:
        """A step of the memory, and what is read from it."""
        keep, add = self._moves(x)
        h = keep * state.h + add
        return (h * x.read[..., None, :]).sum(-1), CoreState(h)

    def _moves(self, x: CoreInputs) -> tuple[Tensor, Tensor]:
        """The decay (B, …, E, N) of the memory, and what comes to it."""
        keep = torch.exp(x.dt[..., None] * -torch.exp(self.A_log))
        add = (x.dt * x.u)[..., None] * x.write[..., None, :]
        return 2 * keep - 1 if self.signed else keep, add
