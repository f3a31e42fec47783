"""Retention: linear attention that forgets, each head at its own fixed rate.

    q_t, k_t, v_t, g_t = W_q x_t, W_k x_t / √K, W_v x_t, W_g x_t
    q_t, k_t = R(p_t) q_t, R(p_t) k_t               p_t = p_{t-1} + 1
    S_t = γ S_{t-1} + k_t v_t^T                      a head; γ = 1 - 2^(-5-j), j = 0 … N-1
    o_t = S_t^T q_t
    y_t = W_o (silu(g_t) * norm(o_t))                norm: over each head, group norm

R(p) turns the pairs of neighbouring columns by p θ_i, θ_i = 10000^(-i / (K/2 - 1)), i = 0 … K/2-1,
so that a query and a key meet at the angle between their positions; an odd last column stays. It
is the rotation of xPos; its scale is γ. A norm takes out the scale of S that the paper's
parallel form normalises besides. The heads' first weights are those of the authors' program.

Source: Sun et al., "Retentive Network", 2023, arXiv:2307.08621, equations 6 to 8.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.heads import count, divided
from recurra.cells.matrix import MatrixInputs
from recurra.cells.matrix_cell import Beside, MatrixCell, Rest
from recurra.cells.over import Ways

EPS = 1e-5


class RetNetState(NamedTuple):
    """`S`, what was written, and the `position`, steps since the sequence began."""

    S: Float[Tensor, "B N K V"]
    position: Float[Tensor, " B"]


class RetNet(MatrixCell[RetNetState]):
    """Multi-scale retention.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output and of all keys together, H.
        num_heads: N, a divisor of H; by default as few as are at most 64 wide.
        expand_v: values are so many times as wide as keys.
        rotate: turn queries and keys by their position.
    """

    fast_step = False
    decay: Tensor
    speed: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int | None = None,
        expand_v: int = 2,
        rotate: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("RetNet", input_size=input_size, hidden_size=hidden_size, expand_v=expand_v)
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = N = count("RetNet", hidden_size, num_heads)
        self.rotate = rotate
        self.K = K = hidden_size // N
        self.V = expand_v * K
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        self.query, self.key = (nn.Linear(input_size, N * K, bias=False, **wide) for _ in "qk")
        self.value, self.gate = (
            nn.Linear(input_size, N * self.V, bias=False, **wide) for _ in "vg"
        )
        self.norm_weight = nn.Parameter(torch.ones(N * self.V, **wide))
        self.norm_bias = nn.Parameter(torch.zeros(N * self.V, **wide))
        self.output = nn.Linear(N * self.V, hidden_size, bias=False, **wide)
        for each in (self.query, self.key, self.value, self.gate):
            nn.init.xavier_uniform_(each.weight, gain=2**-2.5)
        nn.init.xavier_uniform_(self.output.weight, gain=2**-1)
        pairs = self.K // 2
        exponent = torch.arange(pairs, dtype=torch.float64) / max(1, pairs - 1)
        self._constant("decay", 1 - torch.exp2(-5 - torch.arange(N, dtype=torch.float64)))
        self._constant("speed", 10000**-exponent)

    def _constant(self, name: str, value: Tensor) -> None:
        like = self.norm_bias
        self.register_buffer(name, value.to(like.device, like.dtype), persistent=False)

    def initial_state(self, batch_size: int) -> RetNetState:
        zeros = self.norm_bias.new_zeros
        return RetNetState(zeros(batch_size, self.num_heads, self.K, self.V), zeros(batch_size))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        N = self.num_heads
        q, k = divided(self.query(x), N), divided(self.key(x), N)
        ones = torch.ones_like(x[..., 0])
        now, position = ways.scan(ones, ones, rest[0])
        if self.rotate and self.K > 1:
            angle = (now[..., None] * self.speed)[..., None, :]
            cos, sin = torch.cos(angle), torch.sin(angle)
            q, k = _turned(q, cos, sin), _turned(k, cos, sin)
        v = divided(self.value(x), N)
        decay = self.decay.expand(q.shape[:-1])
        inputs = MatrixInputs(decay, None, None, k * self.K**-0.5, v, q)
        return inputs, (self.gate(x),), (position,)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        normed = F.layer_norm(o, (self.V,), eps=EPS).flatten(-2)
        read = F.silu(beside[0]) * (normed * self.norm_weight + self.norm_bias)
        y: Tensor = self.output(read)
        return y


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each pair of neighbouring columns of x (…, K), turned."""
    pairs = x.shape[-1] // 2
    even, odd = divided(x[..., : 2 * pairs], pairs).unbind(-1)
    turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)
    return torch.cat([turned, x[..., 2 * pairs :]], -1) if x.shape[-1] % 2 else turned
