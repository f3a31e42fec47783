"""Mamba-2: a matrix a head that forgets at one rate, written and read by few shared vectors.

    (z_t, u_t, Δ_t) = W x_t
    (v_t, k_t, q_t) = silu(conv(u_t))                a causal convolution of each channel by itself
    Δ_t = softplus(Δ_t + b)                          a number a head
    S_t = exp(-e^A Δ_t) S_{t-1} + Δ_t k_t v_t^T      a head; k and q a group of heads
    o_t = S_t^T q_t + D v_t
    y_t = W_o norm(o_t * silu(z_t))                  norm: over each group, root mean square

In the paper's letters k is B, q is C and v is X. e^A is uniform in (1, 16) at first, b the inverse
softplus of time steps between 0.001 and 0.1, and D 1.

Source: Dao and Gu, "Transformers are SSMs", 2024, arXiv:2405.21060, sections 5.2 and 7.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.heads import count, divided, even
from recurra.cells.matrix import MatrixInputs
from recurra.cells.matrix_cell import Beside, MatrixCell, Rest
from recurra.cells.over import Ways
from recurra.cells.rates import convolution, log_rates, time_step_bias
from recurra.errors import OptionError

EPS = 1e-5


class Mamba2State(NamedTuple):
    """`S`, what was written, and the `tail`, what the convolution saw last."""

    S: Float[Tensor, "B N K V"]
    tail: Float[Tensor, "B W C"]


class Mamba2(MatrixCell[Mamba2State]):
    """A selective state space model with one decay a head.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output, H.
        state_size: K, rows of a head's matrix.
        expand: all heads together are so many times as wide as the output.
        num_heads: N, a divisor of expand · H; by default as few as are at most 64 wide.
        num_groups: a divisor of N; heads of a group share k and q.
        conv_size: steps that a convolution sees.
        signed: decays lie in (-1, 1) rather than in (0, 1): exp(…) becomes 2 exp(…) - 1, with which
            a state can change its sign (Grazzi et al., 2024, arXiv:2411.12537).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int = 64,
        expand: int = 2,
        num_heads: int | None = None,
        num_groups: int = 1,
        conv_size: int = 4,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("Mamba2", input_size=input_size, hidden_size=hidden_size, state_size=state_size)
        positive("Mamba2", expand=expand, num_groups=num_groups)
        self.input_size, self.output_size = input_size, hidden_size
        self.width = expand * hidden_size
        self.num_heads = N = count("Mamba2", self.width, num_heads)
        if N % num_groups:
            raise OptionError(f"Mamba2: num_groups is {num_groups}, a divisor of {N} heads fits")
        self.num_groups, self.state_size, self.signed = num_groups, state_size, signed
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        C = self.width + 2 * num_groups * state_size
        self.project = nn.Linear(input_size, self.width + C + N, bias=False, **wide)
        self.conv_weight = convolution("Mamba2", C, conv_size, **wide)
        bound = conv_size**-0.5
        self.conv_bias = nn.Parameter(torch.empty(C, **wide).uniform_(-bound, bound))
        self.step_bias = time_step_bias(N, **wide)
        self.log_rate = log_rates(N, 1.0, 16.0, **wide)
        self.skip = nn.Parameter(torch.ones(N, **wide))
        self.norm_weight = nn.Parameter(torch.ones(self.width, **wide))
        self.output = nn.Linear(self.width, hidden_size, bias=False, **wide)

    def initial_state(self, batch_size: int) -> Mamba2State:
        zeros, (C, W) = self.conv_weight.new_zeros, self.conv_weight.shape
        S = zeros(batch_size, self.num_heads, self.state_size, self.width // self.num_heads)
        return Mamba2State(S, zeros(batch_size, W - 1, C))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        N, G, K = self.num_heads, self.num_groups, self.state_size
        C = len(self.conv_weight)
        z, u, step = torch.split(self.project(x), [self.width, C, N], -1)
        u, tail = ways.convolve(u, rest[0], self.conv_weight, self.conv_bias)
        v, k, q = torch.split(F.silu(u), [self.width, G * K, G * K], -1)
        v, k, q = divided(v, N), self._shared(k), self._shared(q)
        step = F.softplus(step + self.step_bias)
        decay = torch.exp(-self.log_rate.exp() * step)
        decay = 2 * decay - 1 if self.signed else decay
        return MatrixInputs(decay, None, None, k, step[..., None] * v, q), (v, z), (tail,)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        (v, z), G = beside, self.num_groups
        o = (o + self.skip[:, None] * v).flatten(-2) * F.silu(z)
        weight = divided(self.norm_weight, G)
        y: Tensor = self.output(even(divided(o, G), weight, EPS).flatten(-2))
        return y

    def _shared(self, part: Tensor) -> Tensor:
        """(…, G K) as (…, N, K), the same for all heads of a group."""
        G, N = self.num_groups, self.num_heads
        part = divided(part, G, 1)
        return part.expand(*part.shape[:-2], N // G, -1).flatten(-3, -2)
