"""Gated linear attention: each row of a head's matrix forgets at a rate of its own.

    q_t, k_t, v_t, g_t = W_q x_t / √K, W_k x_t, W_v x_t, W_g x_t
    α_t = sigmoid(W_2 W_1 x_t + b)^(1/16)
    S_t = diag(α_t) S_{t-1} + k_t v_t^T              a head
    o_t = S_t^T q_t
    y_t = W_o (silu(g_t) * norm(o_t))                norm: over each head, root mean square

The paper's layer norm and bias of g are as in its authors' program, which has a root mean square
norm and no bias; so are the first weights. Keys are half as wide as values.

Source: Yang et al., "Gated Linear Attention Transformers with Hardware-Efficient Training", 2023,
arXiv:2312.06635, sections 4.1 and 4.4.
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

EPS = 1e-5
SOFTEN = 16


class GLAState(NamedTuple):
    """`S`, what was written."""

    S: Float[Tensor, "B N K V"]


class GLA(MatrixCell[GLAState]):
    """Gated linear attention.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output and of all values together, H.
        num_heads: N, a divisor of H; by default as few as are at most 64 wide.
        gate_rank: rank of the decays' weight W_2 W_1.
        signed: decays lie in (-1, 1) rather than in (0, 1): α becomes 2 α - 1, with which a state
            can change its sign (Grazzi et al., 2024, arXiv:2411.12537).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int | None = None,
        gate_rank: int = 16,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("GLA", input_size=input_size, hidden_size=hidden_size, gate_rank=gate_rank)
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = N = count("GLA", hidden_size, num_heads)
        self.V = hidden_size // N
        self.K = max(1, self.V // 2)
        self.signed = signed
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        self.query, self.key = (nn.Linear(input_size, N * self.K, bias=False, **wide) for _ in "qk")
        self.value, self.gate = (
            nn.Linear(input_size, N * self.V, bias=False, **wide) for _ in "vg"
        )
        self.decay_down = nn.Linear(input_size, gate_rank, bias=False, **wide)
        self.decay_up = nn.Linear(gate_rank, N * self.K, **wide)
        self.norm_weight = nn.Parameter(torch.ones(self.V, **wide))
        self.output = nn.Linear(hidden_size, hidden_size, bias=False, **wide)
        for each in (self.query, self.key, self.value, self.gate, self.decay_down, self.decay_up):
            nn.init.xavier_uniform_(each.weight, gain=2**-2.5)
        nn.init.xavier_uniform_(self.output.weight, gain=2**-2.5)

    def initial_state(self, batch_size: int) -> GLAState:
        zeros = self.norm_weight.new_zeros
        return GLAState(zeros(batch_size, self.num_heads, self.K, self.V))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        N = self.num_heads
        q, k = divided(self.query(x), N) * self.K**-0.5, divided(self.key(x), N)
        v = divided(self.value(x), N)
        decay = torch.exp(F.logsigmoid(self.decay_up(self.decay_down(x))) / SOFTEN)
        decay = divided(2 * decay - 1 if self.signed else decay, N)
        return MatrixInputs(decay, None, None, k, v, q), (self.gate(x),), ()

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        read = F.silu(beside[0]) * even(o, self.norm_weight, EPS).flatten(-2)
        y: Tensor = self.output(read)
        return y
