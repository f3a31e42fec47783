"""Kimi delta attention: the delta rule on a matrix whose rows forget before it is corrected.

    (q_t, k_t, v_t) = silu(conv(W x_t))              a causal convolution of each channel by itself
    q_t, k_t = q_t / (|q_t| √K), k_t / |k_t|         a head
    β_t = sigmoid(W_β x_t)                           a number a head
    α_t = exp(-e^A softplus(W_2 W_1 x_t + b))        a number a row; A a number a head
    S_t = (I - β_t k_t k_t^T) diag(α_t) S_{t-1} + β_t k_t v_t^T
    o_t = S_t^T q_t
    y_t = W_o (sigmoid(W_4 W_3 x_t) * norm(o_t))     norm: over each head, root mean square

|u| is sqrt(u^T u + 1e-6). The ranks of W_2 W_1 and of W_4 W_3 are the width of a head. e^A is
uniform in (1, 16) at first, and b the inverse softplus of time steps between 0.001 and 0.1.

Source: Kimi Team, "Kimi Linear: An Expressive, Efficient Attention Architecture", 2025,
arXiv:2510.26692, equations 1, 9 and 10.
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

EPS = 1e-5


class KDAState(NamedTuple):
    """`S`, the values that stand under keys, and the `tail`, what the convolution saw last."""

    S: Float[Tensor, "B N K V"]
    tail: Float[Tensor, "B W C"]


class KDA(MatrixCell[KDAState]):
    """The delta rule with a decay a row.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output and of all heads together, H.
        num_heads: N, a divisor of H; by default as few as are at most 64 wide.
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
        conv_size: int = 4,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("KDA", input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = N = count("KDA", hidden_size, num_heads)
        self.K = K = hidden_size // N
        self.signed = signed
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        self.project = nn.Linear(input_size, 3 * hidden_size, bias=False, **wide)
        self.conv_weight = convolution("KDA", 3 * hidden_size, conv_size, **wide)
        self.rate = nn.Linear(input_size, N, bias=False, **wide)
        self.decay_down, self.gate_down = (
            nn.Linear(input_size, K, bias=False, **wide) for _ in "αg"
        )
        self.decay_up, self.gate_up = (nn.Linear(K, hidden_size, bias=False, **wide) for _ in "αg")
        self.log_rate = log_rates(N, 1.0, 16.0, **wide)
        self.decay_bias = time_step_bias(hidden_size, **wide)
        self.norm_weight = nn.Parameter(torch.ones(K, **wide))
        self.output = nn.Linear(hidden_size, hidden_size, bias=False, **wide)

    def initial_state(self, batch_size: int) -> KDAState:
        zeros, (C, W) = self.conv_weight.new_zeros, self.conv_weight.shape
        S = zeros(batch_size, self.num_heads, self.K, self.K)
        return KDAState(S, zeros(batch_size, W - 1, C))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        N = self.num_heads
        qkv, tail = ways.convolve(self.project(x), rest[0], self.conv_weight)
        q, k, v = divided(F.silu(qkv), 3, N).unbind(-3)
        q, k = unit(q) * self.K**-0.5, unit(k)
        rate = torch.sigmoid(self.rate(x))[..., None]
        write = (2 * rate if self.signed else rate) * k
        step = F.softplus(self.decay_up(self.decay_down(x)) + self.decay_bias)
        decay = torch.exp(-self.log_rate.exp()[:, None] * divided(step, N))
        gate = self.gate_up(self.gate_down(x))
        return MatrixInputs(decay, write, decay * k, write, v, q), (gate,), (tail,)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        read = torch.sigmoid(beside[0]) * even(o, self.norm_weight, EPS).flatten(-2)
        y: Tensor = self.output(read)
        return y
