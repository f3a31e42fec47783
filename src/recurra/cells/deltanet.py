"""DeltaNet: a matrix a head that is corrected towards each new value.

    (q_t, k_t, v_t) = silu(conv(W x_t))              a causal convolution of each channel by itself
    q_t, k_t = q_t / (|q_t| √K), k_t / |k_t|         a head
    β_t = sigmoid(W_β x_t)                           a number a head
    S_t = S_{t-1} + β_t k_t (v_t - S_{t-1}^T k_t)^T
    o_t = S_t^T q_t
    y_t = W_o norm(o_t)                              norm: over each head, root mean square

|u| is sqrt(u^T u + 1e-6).

Source: Yang et al., "Parallelizing Linear Transformers with the Delta Rule over Sequence Length",
2024, arXiv:2406.06484, section 3.3; the rule is that of Schlag et al., "Linear Transformers Are
Secretly Fast Weight Programmers", 2021, arXiv:2102.11174, equation 24.
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
from recurra.cells.rates import convolution

EPS = 1e-5


class DeltaNetState(NamedTuple):
    """`S`, the values that stand under keys, and the `tail`, what the convolution saw last."""

    S: Float[Tensor, "B N K V"]
    tail: Float[Tensor, "B W C"]


class DeltaNet(MatrixCell[DeltaNetState]):
    """The delta rule with learned rates.

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
        positive("DeltaNet", input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = N = count("DeltaNet", hidden_size, num_heads)
        self.K = hidden_size // N
        self.signed = signed
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        self.project = nn.Linear(input_size, 3 * hidden_size, bias=False, **wide)
        self.conv_weight = convolution("DeltaNet", 3 * hidden_size, conv_size, **wide)
        self.rate = nn.Linear(input_size, N, bias=False, **wide)
        self.norm_weight = nn.Parameter(torch.ones(self.K, **wide))
        self.output = nn.Linear(hidden_size, hidden_size, bias=False, **wide)

    def initial_state(self, batch_size: int) -> DeltaNetState:
        zeros, (C, W) = self.conv_weight.new_zeros, self.conv_weight.shape
        S = zeros(batch_size, self.num_heads, self.K, self.K)
        return DeltaNetState(S, zeros(batch_size, W - 1, C))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        qkv, tail = ways.convolve(self.project(x), rest[0], self.conv_weight)
        q, k, v = divided(F.silu(qkv), 3, self.num_heads).unbind(-3)
        q, k = unit(q) * self.K**-0.5, unit(k)
        rate = torch.sigmoid(self.rate(x))[..., None]
        write = (2 * rate if self.signed else rate) * k
        decay = torch.ones_like(k[..., 0])
        return MatrixInputs(decay, write, k, write, v, q), (), (tail,)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        y: Tensor = self.output(even(o, self.norm_weight, EPS).flatten(-2))
        return y
