"""RG-LRU: the real-gated linear recurrent unit of Griffin.

    u_t = W x_t + b
    r_t = sigmoid(W_a u_t + b_a),  i_t = sigmoid(W_u u_t + b_u)      block-diagonal W_a, W_u
    log a_t = -8 r_t softplus(Λ)
    h_t = a_t * h_{t-1} + m_t * i_t * u_t          m_t = √(1 - a_t²), and 1 in the first step

The published unit has as many features out as in and no W. That the first step is not scaled is
the released code's, with whose weights it belongs; `begun` in the state tells it, and becomes 1.

The slope of √(1 - a²) has no bound where a is 1. There r is 0, and the slope of the whole in W_a u
goes to 0 as √r does; it is only the product of infinity and 0 that would be no number. So the root
is taken of at least the smallest normal number, which changes m by 1e-19 at most and leaves every
gradient finite and true, where the released code clips them.

Source: De et al., "Griffin: Mixing Gated Linear Recurrences with Local Attention for Efficient
Language Models", 2024, arXiv:2402.19427, section 2.4 and appendix A; Λ begins as in the released
code, where exp(-softplus(Λ)) lies in a ring of 0.9 to 0.999.
"""

from math import gcd
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways
from recurra.errors import OptionError

BLOCKS = 16
SHARPNESS = 8.0


class RGLRUState(NamedTuple):
    """`h` is the last output; `begun` is 0 before the first step, else 1."""

    h: Float[Tensor, "B H"]
    begun: Float[Tensor, "B 1"]


class RGLRU(Linear[RGLRUState]):
    """Real-gated linear recurrent unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        blocks: of the matrices of the gates; 16 as published, or as many of them as divide H, when
            not given.
        signed: decays lie in (-1, 1) rather than in (0, 1): a becomes 2 a - 1.
    """

    gates: ClassVar[tuple[str, ...]] = ("recurrence", "input")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        blocks: int | None = None,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("RGLRU", input_size=input_size, hidden_size=hidden_size)
        blocks = gcd(hidden_size, BLOCKS) if blocks is None else blocks
        positive("RGLRU", blocks=blocks)
        if hidden_size % blocks:
            raise OptionError(
                f"RGLRU: blocks is {blocks}, a divisor of hidden_size {hidden_size} fits"
            )
        self.input_size, self.output_size = input_size, hidden_size
        self.blocks, self.signed = blocks, signed
        wide = hidden_size // blocks
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.project = nn.Linear(input_size, hidden_size, **made)
        # W_a and W_u of a block as (in, out)
        self.weight_a = nn.Parameter(torch.randn(blocks, wide, wide, **made) * wide**-0.5)
        self.weight_u = nn.Parameter(torch.randn(blocks, wide, wide, **made) * wide**-0.5)
        self.bias_a = nn.Parameter(torch.zeros(hidden_size, **made))
        self.bias_u = nn.Parameter(torch.zeros(hidden_size, **made))
        square = torch.empty(hidden_size, **made).uniform_(0.9**2, 0.999**2)
        # the inverse of softplus at -log(radius)
        self.Lambda = nn.Parameter(torch.log(torch.expm1(-0.5 * torch.log(square))))

    def initial_state(self, batch_size: int) -> RGLRUState:
        new_zeros = self.Lambda.new_zeros
        return RGLRUState(new_zeros(batch_size, self.output_size), new_zeros(batch_size, 1))

    def over(
        self, x: Float[Tensor, "B ... F"], state: RGLRUState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], RGLRUState]:
        u = self.project(x)
        r = torch.sigmoid(_by_blocks(u, self.weight_a) + self.bias_a)
        i = torch.sigmoid(_by_blocks(u, self.weight_u) + self.bias_u)
        log_a = -SHARPNESS * r * F.softplus(self.Lambda)
        a, m = _signed(log_a) if self.signed else (torch.exp(log_a), _root(2 * log_a))
        begun, last = ways.before(torch.ones_like(u[..., :1]), state.begun)
        m = 1 + begun * (m - 1)
        y, h = ways.scan(a, m * i * u, state.h)
        return y, RGLRUState(h, last)


def _by_blocks(u: Tensor, weight: Tensor) -> Tensor:
    blocks, wide, _ = weight.shape
    parts = u.reshape(*u.shape[:-1], blocks, wide)
    return torch.einsum("...nd,nde->...ne", parts, weight).flatten(-2)


def _root(log_square: Tensor) -> Tensor:
    """√(1 - exp(log_square)) for log_square ≤ 0, with finite slopes."""
    tiny = torch.finfo(log_square.dtype).smallest_normal
    return torch.sqrt((-torch.expm1(log_square)).clamp(min=tiny))


def _signed(log_a: Tensor) -> tuple[Tensor, Tensor]:
    """2 a - 1, and the root of 1 less its square, 4 a (1 - a)."""
    return 2 * torch.exp(log_a) - 1, 2 * torch.exp(0.5 * log_a) * _root(log_a)
