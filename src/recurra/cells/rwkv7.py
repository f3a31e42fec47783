"""RWKV-7: a matrix a head whose rows forget each at its own rate, and which unlearns along a key.

    x_□ = x_t + μ_□ * (x_{t-1} - x_t)                □ = r, w, k, v, a, g
    r_t, k_t, v_t = W_r x_r, W_k x_k, W_v x_v
    w_t = exp(-e^(-1/2) σ(w_0 + W_2 tanh(W_1 x_w)))
    a_t = σ(a_0 + A_2 A_1 x_a)
    g_t = G_2 σ(G_1 x_g)
    κ_t = k_t * ξ / |k_t * ξ|                        a head
    k_t = k_t * (1 + (a_t - 1) * α)
    S_t = diag(w_t) S_{t-1} - (a_t * κ_t) (κ_t^T S_{t-1}) + k_t v_t^T
    o_t = norm(S_t^T r_t) + (Σ r_t * ρ * k_t) v_t    a head; norm: group norm, eps 0.00064
    y_t = W_o (g_t * o_t)

S is the transpose of the paper's. |u| is sqrt(u^T u + 1e-12), where the authors' program takes the
larger of the root and 1e-12. It is one layer: no value of a layer below is mixed into v. First
weights and ranks are those of the first layer of the authors' program, but for W_o, which is 0
there to begin with the input of a residual block, and here is as W_r.

Source: Peng et al., "RWKV-7 Goose with Expressive Dynamic State Evolution", 2025,
arXiv:2503.14456, section 4 and appendix on the initialisation.
"""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.heads import count, divided, unit
from recurra.cells.matrix import MatrixInputs
from recurra.cells.matrix_cell import Beside, MatrixCell, Rest
from recurra.cells.over import Ways

EPS = 64e-5
FASTEST = math.exp(-0.5)
# How far each mix looks back at first: 1 - (j / F)^power.
POWERS = {"r": 0.2, "w": 0.9, "k": 0.7, "v": 0.7, "a": 0.9, "g": 0.2}


class RWKV7State(NamedTuple):
    """`S`, what was written, and `last`, the x before."""

    S: Float[Tensor, "B N K V"]
    last: Float[Tensor, "B F"]


class RWKV7(MatrixCell[RWKV7State]):
    """The time mixing of RWKV-7.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the output and of all heads together, H.
        num_heads: N, a divisor of H; by default as few as are at most 64 wide.
        signed: the eigenvalues of a step lie in (-1, 1), with which a state can change its sign
            (Grazzi et al., 2024, arXiv:2411.12537): where it unlearns, a becomes (1 + u) a with the
            least w, u = exp(-e^(-1/2)). They are those of diag(w) - p p^T with p = κ sqrt(a), so
            they are above u - (1 + u).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int | None = None,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("RWKV7", input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.output_size = input_size, hidden_size
        self.num_heads = N = count("RWKV7", hidden_size, num_heads)
        self.signed = signed
        wide: dict[str, Any] = {"device": device, "dtype": dtype}
        H = hidden_size
        self.mix = nn.Parameter(torch.empty(len(POWERS), input_size, **wide))
        self.receptance, self.key, self.value = (
            nn.Linear(input_size, H, bias=False, **wide) for _ in "rkv"
        )
        self.decay_down, self.decay_up = _pair(input_size, _rank(H, 1.8, 0.5), H, True, wide)
        self.rate_down, self.rate_up = _pair(input_size, _rank(H, 1.8, 0.5), H, True, wide)
        self.gate_down, self.gate_up = _pair(input_size, _rank(H, 0.6, 0.8), H, False, wide)
        self.key_scale = nn.Parameter(torch.empty(H, **wide))
        self.key_rate = nn.Parameter(torch.full((H,), 1.02, **wide))
        self.bonus = nn.Parameter(torch.full((N, H // N), -0.04, **wide))
        self.norm_weight = nn.Parameter(torch.ones(H, **wide))
        self.norm_bias = nn.Parameter(torch.zeros(H, **wide))
        self.output = nn.Linear(H, H, bias=False, **wide)
        self._first_weights()

    @torch.no_grad()
    def _first_weights(self) -> None:
        F_, H, N = self.input_size, self.output_size, self.num_heads
        j = torch.arange(F_) / F_
        self.mix.copy_(torch.stack([1 - j**power for power in POWERS.values()]))
        h, k = torch.arange(H), torch.arange(H) % (H // N)
        line = h / max(1, H - 1) - 0.5
        zigzag = 2 * k / max(1, H // N - 1) - 1
        zigzag = zigzag * zigzag.abs()
        self.decay_up.bias.copy_(-6 + 6 * (h / max(1, H - 1)) ** 2 + 0.5 + 2.5 * zigzag)
        self.rate_up.bias.copy_(-0.19 + 0.3 * zigzag + 0.4 * line)
        self.key_scale.copy_(0.71 - 0.1 * line)
        for each, bound in ((self.receptance, 0.5), (self.key, 0.05), (self.value, 0.5)):
            each.weight.uniform_(-bound * F_**-0.5, bound * F_**-0.5)
        self.output.weight.uniform_(-0.5 * H**-0.5, 0.5 * H**-0.5)

    def initial_state(self, batch_size: int) -> RWKV7State:
        zeros, N = self.norm_bias.new_zeros, self.num_heads
        K = self.output_size // N
        return RWKV7State(zeros(batch_size, N, K, K), zeros(batch_size, self.input_size))

    def before(
        self, x: Float[Tensor, "B ... F"], rest: Rest, ways: Ways
    ) -> tuple[MatrixInputs, Beside, Rest]:
        N = self.num_heads
        before, last = ways.before(x, rest[0])
        x_r, x_w, x_k, x_v, x_a, x_g = (x + mix * (before - x) for mix in self.mix.unbind(0))
        r, k = divided(self.receptance(x_r), N), self.key(x_k)
        v = divided(self.value(x_v), N)
        decay = torch.sigmoid(self.decay_up(torch.tanh(self.decay_down(x_w))))
        decay = divided(torch.exp(-FASTEST * decay), N)
        rate = torch.sigmoid(self.rate_up(self.rate_down(x_a)))
        read = unit(divided(k * self.key_scale, N), 1e-12)
        k = divided(k * (1 + (rate - 1) * self.key_rate), N)
        erase = divided((1 + math.exp(-FASTEST)) * rate if self.signed else rate, N) * read
        bonus = (r * self.bonus * k).sum(-1, keepdim=True) * v
        gate = self.gate_up(torch.sigmoid(self.gate_down(x_g)))
        return MatrixInputs(decay, erase, read, k, v, r), (bonus.flatten(-2), gate), (last,)

    def after(self, o: Float[Tensor, "B ... N V"], beside: Beside) -> Float[Tensor, "B ... H"]:
        bonus, gate = beside
        normed = F.layer_norm(o, o.shape[-1:], eps=EPS).flatten(-2)
        o = normed * self.norm_weight + self.norm_bias + bonus
        y: Tensor = self.output(gate * o)
        return y


def _rank(width: int, factor: float, power: float) -> int:
    return max(32, 32 * round(factor * math.pow(width, power) / 32))


def _pair(
    F: int, rank: int, H: int, bias: bool, wide: dict[str, Any]
) -> tuple[nn.Linear, nn.Linear]:
    """Two narrow products; the first is 0 at first, and the second orthogonal times 0.1."""
    down = nn.Linear(F, rank, bias=False, **wide)
    up = nn.Linear(rank, H, bias=bias, **wide)
    nn.init.zeros_(down.weight)
    nn.init.orthogonal_(up.weight, gain=0.1)
    return down, up
