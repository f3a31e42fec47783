"""Linear attention: a sum of outer products of keys and values, read by queries.

    q_t, k_t = φ(W_q x_t + b_q), φ(W_k x_t + b_k)    φ(u) = elu(u) + 1, or u
    v_t = W_v x_t + b_v
    S_t = S_{t-1} + k_t v_t^T                        a head
    n_t = n_{t-1} + k_t
    o_t = S_t^T q_t / (n_t^T q_t + 1e-6)             or S_t^T q_t
    y_t = W_o o_t + b_o                              o_t of all heads

The 1e-6 is that of the authors' program; it matters where φ is 0 to rounding.

Source: Katharopoulos et al., "Transformers are RNNs", 2020, arXiv:2006.16236, equations 7 and 16
to 20; without n it is that of Schlag et al., 2021, arXiv:2102.11174, equation 4.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.heads import count, divided
from recurra.cells.matrix import MatrixInputs
from recurra.cells.matrix_cell import Beside, MatrixCell, Rest
from recurra.cells.over import Ways
from recurra.errors import OptionError

EPS = 1e-6


class LinearAttentionState(NamedTuple):
    """`S`, what was written, and `n`, the keys that wrote it."""

    S: Float[Tensor, "B N K V"]
    n: Float[Tensor, "B N K"]


class LinearAttention(MatrixCell[LinearAttentionState]):
    """Attention whose state does not grow.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output and of all heads together, H.
        num_heads: N, a divisor of H; by default as few as are at most 64 wide.
        feature_map: φ, "elu" or "identity".
        normalize: divide by n_t^T q_t, which only "elu" keeps above 0; by default where it does.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int | None = None,
        feature_map: str = "elu",
        normalize: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("LinearAttention", input_size=input_size, hidden_size=hidden_size)
        if feature_map not in ("elu", "identity"):
            raise OptionError(
                f"LinearAttention: feature_map is {feature_map!r}, one of elu, identity fits"
            )
        if normalize and feature_map == "identity":
            raise OptionError("LinearAttention: normalize is True, with feature_map 'elu' alone")
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = count("LinearAttention", hidden_size, num_heads)
        self.feature_map = feature_map
        self.normalize = feature_map == "elu" if normalize is None else normalize
        self.project = nn.Linear(input_size, 3 * hidden_size, device=device, dtype=dtype)
        self.output = nn.Linear(hidden_size, hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> LinearAttentionState:
        N = self.num_heads
        K = self.output_size // N
        zeros = self.output.weight.new_zeros
        return LinearAttentionState(zeros(batch_size, N, K, K), zeros(batch_size, N, K))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        q, k, v = divided(self.project(x), 3, self.num_heads).unbind(-3)
        if self.feature_map == "elu":
            q, k = F.elu(q) + 1, F.elu(k) + 1
        inputs = MatrixInputs(torch.ones_like(q[..., 0]), None, None, k, v, q)
        if not self.normalize:
            return inputs, (), rest
        every, n = ways.scan(torch.ones_like(k), k, rest[0])
        return inputs, ((every * q).sum(-1, keepdim=True) + EPS,), (n,)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        o = o / beside[0] if beside else o
        y: Tensor = self.output(o.flatten(-2))
        return y
