"""Attention over the last steps: a cell whose state is what it has lately read.

    q_t = W_q x_t       k_t = W_k x_t       v_t = W_v x_t              each in heads of D columns
    a_tj = softmax_j(q_t · rot_j(k_{t-j}) / sqrt(D))                    j = 0 … min(W, t) - 1
    y_t = W_o Σ_j a_tj v_{t-j}

Exactly W keys are seen, the step's own among them, and fewer where the sequence, or the piece since
a reset, has fewer; never one from before its begin. Each key head serves heads / kv_heads query
heads, which stand side by side.

rot_j turns each pair (k_i, k_{i+D/2}) of a key by -j θ_i, θ_i = base^(-2 i / D): rotary positions.
A product of two vectors that are turned by their positions depends on their distance j alone, so
keys are stored as they are and turned by their place in the window. No position is counted, none
grows, and a stream of any length has the precision of its first steps.

Source: window: De et al., "Griffin: Mixing Gated Linear Recurrences with Local Attention for
Efficient Language Models", 2024, arXiv:2402.19427, section 2.3; heads: Vaswani et al., "Attention
Is All You Need", 2017, arXiv:1706.03762, section 3.2; fewer key heads: Ainslie et al., "GQA:
Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints", 2023,
arXiv:2305.13245, section 2.2; rotary positions: Su et al., "RoFormer: Enhanced Transformer with
Rotary Position Embedding", 2021, arXiv:2104.09864, section 3.2.2. The code of RecurrentGemma, the
model after Griffin, lets a query see window + 1 keys; here it is the window.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.cell import Cell, Context
from recurra.cells.check import positive
from recurra.cells.over import Whole
from recurra.errors import OptionError


class WindowAttentionState(NamedTuple):
    """Keys, values and whether they are there (1, or 0) of the last W steps, the oldest first."""

    keys: Float[Tensor, "B W C"]
    values: Float[Tensor, "B W C"]
    there: Float[Tensor, "B W"]


class WindowAttention(Cell[WindowAttentionState]):
    """Multi-head attention over a sliding window.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output, H; heads of H / heads columns.
        window: steps that are seen, the step's own among them, W.
        heads: of the queries.
        kv_heads: of the keys and values, a divisor of heads; as many when not given.
        rotary: whether keys are turned by their distance.
        base: of the angles, the slowest of which takes about 2 π base steps a turn.
        bias: whether queries, keys and values have one.
    """

    fast_step: ClassVar[bool] = False
    cos: Tensor
    sin: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        window: int = 16,
        heads: int = 1,
        kv_heads: int | None = None,
        rotary: bool = False,
        base: float = 10000.0,
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        where = "WindowAttention"
        kv_heads = heads if kv_heads is None else kv_heads
        positive(where, input_size=input_size, hidden_size=hidden_size, window=window)
        positive(where, heads=heads, kv_heads=kv_heads)
        _check_heads(where, hidden_size, heads, kv_heads, rotary=rotary)
        self.input_size, self.output_size = input_size, hidden_size
        self.window, self.heads, self.kv_heads, self.rotary = window, heads, kv_heads, rotary
        self.head_size = hidden_size // heads
        narrow = kv_heads * self.head_size
        self.query = nn.Linear(input_size, hidden_size, bias=bias, device=device, dtype=dtype)
        self.key = nn.Linear(input_size, narrow, bias=bias, device=device, dtype=dtype)
        self.value = nn.Linear(input_size, narrow, bias=bias, device=device, dtype=dtype)
        self.out = nn.Linear(hidden_size, hidden_size, bias=bias, device=device, dtype=dtype)
        if rotary:
            # A window of queries, and what stands up to a window before each of them.
            cos, sin = _angles(2 * window - 1, self.head_size, base)
            like = self.query.weight
            self.register_buffer("cos", cos.to(like), persistent=False)
            self.register_buffer("sin", sin.to(like), persistent=False)

    def initial_state(self, batch_size: int) -> WindowAttentionState:
        blank = self.key.weight.new_zeros(batch_size, self.window, self.key.out_features)
        return WindowAttentionState(blank, blank, blank.new_zeros(batch_size, self.window))

    def step(
        self, x: Float[Tensor, "B F"], state: WindowAttentionState, context: Context = None
    ) -> tuple[Float[Tensor, "B H"], WindowAttentionState]:
        keys = torch.cat([state.keys[:, 1:], self.key(x)[:, None]], 1)
        values = torch.cat([state.values[:, 1:], self.value(x)[:, None]], 1)
        there = torch.cat([state.there[:, 1:], torch.ones_like(state.there[:, :1])], 1)
        q, k, v = self._in_heads(self.query(x)[:, None], keys, values)
        q = q[:, 0]
        if self.rotary:
            W = self.window
            q = turn(q, self.cos[W - 1], self.sin[W - 1])
            k = turn(k, self.cos[:W, None], self.sin[:W, None])
        scores = torch.einsum("bgnd,bwgd->bgnw", q, k) * self.head_size**-0.5
        scores = scores.masked_fill(there[:, None, None] < 0.5, float("-inf"))
        y = torch.einsum("bgnw,bwgd->bgnd", torch.softmax(scores, -1), v)
        return self.out(y.flatten(1)), WindowAttentionState(keys, values, there)

    def parallel(
        self,
        x: Float[Tensor, "B T F"],
        state: WindowAttentionState,
        context: Context,
        whole: Whole,
    ) -> tuple[Float[Tensor, "B T H"], WindowAttentionState]:
        """In blocks of W queries, each of which sees parts of 2 W - 1 keys."""
        B, T = x.shape[:2]
        W = self.window
        keys = torch.cat([state.keys, self.key(x)], 1)
        values = torch.cat([state.values, self.value(x)], 1)
        there = torch.cat([state.there, state.there.new_ones(B, T)], 1)
        last = WindowAttentionState(*(whole.tail(each, W) for each in (keys, values, there)))
        pieces = _pieces(whole, W)
        more = -T % W
        # What stands in place 0 of a state no query sees.
        q, k, v = self._in_heads(
            F.pad(self.query(x), (0, 0, 0, more)),
            F.pad(keys[:, 1:], (0, 0, 0, more)),
            F.pad(values[:, 1:], (0, 0, 0, more)),
        )
        mask = _blocks(F.pad(there[:, 1:], (0, more), value=1.0), W) > 0.5
        mask = _band(W, x.device) & mask[:, :, None]
        if pieces is not None:
            own = F.pad(pieces[:, W:], (0, more), value=-1).reshape(B, -1, W)
            seen = _blocks(F.pad(pieces[:, 1:], (0, more), value=-1), W)
            mask = mask & (own[..., None] == seen[:, :, None])
        y = self._attend(q, k, v, mask)[:, :T]
        return self.out(y), last

    def _in_heads(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q (B, T, G, N, D), k and v (B, S, G, D)."""
        G, D = self.kv_heads, self.head_size
        q = q.reshape(*q.shape[:2], G, self.heads // G, D)
        return q, k.reshape(*k.shape[:2], G, D), v.reshape(*v.shape[:2], G, D)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """All queries (B, T, G, N, D), T a multiple of W, as (B, T, H)."""
        B, T, G, N, D = q.shape
        W = self.window
        # (B, blocks, G, N or 1, steps, D)
        q = q.reshape(B, T // W, W, G, N, D).permute(0, 1, 3, 4, 2, 5)
        k, v = (_blocks(each, W).permute(0, 1, 2, 4, 3)[:, :, :, None] for each in (k, v))
        if self.rotary:
            q, k = turn(q, self.cos[W - 1 :], self.sin[W - 1 :]), turn(k, self.cos, self.sin)
        k, v = (each.expand(-1, -1, -1, N, -1, -1) for each in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, mask[:, :, None, None])
        return y.permute(0, 1, 4, 2, 3, 5).reshape(B, T, G * N * D)


def turn(u: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each pair (u_i, u_{i+D/2}) turned by an angle."""
    a, b = u.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _angles(places: int, D: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (places, D / 2)."""
    speed = base ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    angle = torch.arange(places, dtype=torch.float64)[:, None] * speed
    return angle.cos(), angle.sin()


def _blocks(z: Tensor, W: int) -> Tensor:
    """(B, W - 1 + N W, …) as N overlapping parts, (B, N, …, 2 W - 1)."""
    return z.unfold(1, 2 * W - 1, W)


def _band(W: int, device: torch.device) -> Tensor:
    """Which of 2 W - 1 keys each of W queries sees."""
    late = torch.arange(2 * W - 1, device=device) - torch.arange(W, device=device)[:, None]
    return (late >= 0) & (late < W)


def _pieces(whole: Whole, W: int) -> Tensor | None:
    """For each of W steps before and T steps the number of its piece between resets."""
    if whole.reset is None:
        return None
    return F.pad(whole.reset.to(torch.int64).cumsum(1), (W, 0))


def _check_heads(where: str, H: int, heads: int, kv_heads: int, *, rotary: bool) -> None:
    if H % heads:
        raise OptionError(f"{where}: heads is {heads}, a divisor of hidden_size {H} fits")
    if heads % kv_heads:
        raise OptionError(f"{where}: kv_heads is {kv_heads}, a divisor of heads {heads} fits")
    if rotary and H // heads % 2:
        raise OptionError(
            f"{where}: rotary turns pairs of columns, and a head has {H // heads}; an even number"
            " fits"
        )
