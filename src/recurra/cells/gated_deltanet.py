"""Gated DeltaNet: the delta rule on a matrix that forgets before it is corrected.

    (q_t, k_t, v_t) = silu(conv(W x_t))              a causal convolution of each channel by itself
    q_t, k_t = q_t / (|q_t| √K), k_t / |k_t|         a head
    β_t = sigmoid(W_β x_t)                           a number a head, as is
    α_t = exp(-e^A softplus(W_α x_t + b))
    S_t = α_t S_{t-1} + β_t k_t (v_t - α_t S_{t-1}^T k_t)^T
    o_t = S_t^T q_t
    y_t = W_o (silu(W_g x_t) * norm(o_t))            norm: over each head, root mean square

|u| is sqrt(u^T u + 1e-6). e^A is uniform in (0, 16) at first, kept off 0 by 0.01, and b the inverse
softplus of time steps between 0.001 and 0.1.

Source: Yang et al., "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024,
arXiv:2412.06464, equation 10 and section 3.4.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.heads import count, divided, even, unit
from recurra.cells.matrix import MatrixInputs
from recurra.cells.matrix_cell import Beside, MatrixCell, Rest
from recurra.cells.over import Ways
from recurra.cells.rates import convolution, log_rates, time_step_bias

EPS = 1e-6


class GatedDeltaNetState(NamedTuple):
    """`S`, the values that stand under keys, and the `tail`, what the convolution saw last."""

    S: Float[Tensor, "B N K V"]
    tail: Float[Tensor, "B W C"]


class GatedDeltaNet(MatrixCell[GatedDeltaNetState]):
    """The delta rule with a decay a head.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output and of all keys together, H.
        num_heads: N, a divisor of H; by default as few as are at most 64 wide.
        expand_v: values are so many times as wide as keys.
        conv_size: steps that a convolution sees.
        signed: the eigenvalues of a step lie in (-1, 1) rather than in (0, 1): β becomes 2 β, with
            which a state can change its sign (Grazzi et al., 2024, arXiv:2411.12537).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int | None = None,
        expand_v: int = 2,
        conv_size: int = 4,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("GatedDeltaNet", input_size=input_size, hidden_size=hidden_size, expand_v=expand_v)
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = N = count("GatedDeltaNet", hidden_size, num_heads)
        self.K = hidden_size // N
        self.V = expand_v * self.K
        self.signed = signed
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        C = N * (2 * self.K + self.V)
        self.project = nn.Linear(input_size, C, bias=False, **wide)
        self.conv_weight = convolution("GatedDeltaNet", C, conv_size, **wide)
        self.gate = nn.Linear(input_size, N * self.V, bias=False, **wide)
        self.rate, self.decay = (nn.Linear(input_size, N, bias=False, **wide) for _ in "βα")
        self.log_rate = log_rates(N, 0.01, 16.0, **wide)
        self.decay_bias = time_step_bias(N, **wide)
        self.norm_weight = nn.Parameter(torch.ones(self.V, **wide))
        self.output = nn.Linear(N * self.V, hidden_size, bias=False, **wide)

    def initial_state(self, batch_size: int) -> GatedDeltaNetState:
        zeros, (C, W) = self.conv_weight.new_zeros, self.conv_weight.shape
        S = zeros(batch_size, self.num_heads, self.K, self.V)
        return GatedDeltaNetState(S, zeros(batch_size, W - 1, C))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        N, K, V = self.num_heads, self.K, self.V
        qkv, tail = ways.convolve(self.project(x), rest[0], self.conv_weight)
        parts = torch.split(F.silu(qkv), [N * K, N * K, N * V], -1)
        q, k, v = (divided(part, N) for part in parts)
        q, k = unit(q) * K**-0.5, unit(k)
        rate = torch.sigmoid(self.rate(x))[..., None]
        write = (2 * rate if self.signed else rate) * k
        decay = torch.exp(-self.log_rate.exp() * F.softplus(self.decay(x) + self.decay_bias))
        read = decay[..., None] * k
        return MatrixInputs(decay, write, read, write, v, q), (self.gate(x),), (tail,)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        read = F.silu(beside[0]) * even(o, self.norm_weight, EPS).flatten(-2)
        y: Tensor = self.output(read)
        return y
