"""HiPPO: the matrices with which a state remembers its input as coefficients of polynomials.

    dh/dt = A h + B u                                   LegT: the last `window` seconds
    dh/dt = (A h + B u) / t                             LegS: all of the past

Source: Gu et al., "HiPPO: Recurrent Memory with Optimal Polynomial Projections", 2020,
arXiv:2008.07669, theorems 1 and 2 and appendix B.3; LegT is scaled as Voelker, Kajić and
Eliasmith, "Legendre Memory Units", 2019, have it (the paper's second scaling).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from recurra.cells.check import positive
from recurra.errors import OptionError

METHODS = ("zoh", "bilinear")


def legs(order: int) -> tuple[Float[Tensor, "N N"], Float[Tensor, " N"]]:
    """A and B of the scaled Legendre measure, in float64.

        A_nk = -√(2n+1) √(2k+1) where n > k, -(n+1) where n = k, else 0;  B_n = √(2n+1)

    Args:
        order: coefficients, N.
    """
    positive("legs", order=order)
    n = torch.arange(order, dtype=torch.float64)
    root = torch.sqrt(2 * n + 1)
    below = torch.tril(root[:, None] * root, -1)
    return -below - torch.diag(n + 1), root


def legt(order: int, window: float = 1.0) -> tuple[Float[Tensor, "N N"], Float[Tensor, " N"]]:
    """A and B of the translated Legendre measure, in float64.

        A_nk = (2n+1)/window * (-1 where n < k, else (-1)^(n-k+1));  B_n = (2n+1)/window * (-1)^n

    Args:
        order: coefficients, N.
        window: how far back it sees, in seconds; in steps, where a step is a second.
    """
    positive("legt", order=order)
    if not window > 0:
        raise OptionError(f"legt: window is {window}, it must be above 0")
    n = torch.arange(order, dtype=torch.float64)
    sign = 1 - 2 * (n % 2)
    scale = (2 * n + 1) / window
    signs = -torch.where(n[:, None] < n, torch.ones(()), sign[:, None] * sign)
    return scale[:, None] * signs, scale * sign


def discretise(
    A: Float[Tensor, "N N"], B: Float[Tensor, " N"], dt: float, method: str = "zoh"
) -> tuple[Float[Tensor, "N N"], Float[Tensor, " N"]]:
    """The A and B of h_t = A h_{t-1} + B u_t for steps of dt.

    Args:
        dt: length of a step, in seconds.
        method: "zoh" holds u for a step and is exact for such; "bilinear" is the trapezoid's.
    """
    if method not in METHODS:
        known = ", ".join(METHODS)
        raise OptionError(f"discretise: method is {method!r}, one of {known} fits")
    if not dt > 0:
        raise OptionError(f"discretise: dt is {dt}, it must be above 0")
    N = len(A)
    if method == "zoh":
        # exp of [[A, B], [0, 0]] dt holds both
        both = A.new_zeros(N + 1, N + 1)
        both[:N] = torch.cat([A, B[:, None]], 1) * dt
        grown = torch.linalg.matrix_exp(both)
        return grown[:N, :N], grown[:N, N]
    one = torch.eye(N, dtype=A.dtype, device=A.device)
    right = torch.cat([one + A * dt / 2, B[:, None] * dt], 1)
    solved = torch.linalg.solve(one - A * dt / 2, right)
    return solved[:, :N], solved[:, N]
