"""Recurrent matrices that stay orthogonal: a parametrisation for the weights of any cell.

    W = exp(A)                        A skew: A = U - Uᵀ, U what stands above the diagonal
    W = (I + A)⁻¹ (I - A)             the Cayley map, form="cayley"

Each square block of a stacked weight is one such W. A begins with 2×2 blocks [0 s; -s 0] along its
diagonal: exp turns each plane by s, the Cayley map by -2 atan(s).

    s ~ U(-π, π)                                           init="henaff"
    s = -sqrt((1 - cos u) / (1 + cos u)), u ~ U(0, π/2)    init="cayley"

Source: Lezcano-Casado and Martínez-Rubio, "Cheap Orthogonal Constraints in Neural Networks: A
Simple Parametrization of the Orthogonal and Unitary Group", 2019, arXiv:1901.08428, section 4 and
appendix; first values: Henaff, Szlam and LeCun, "Recurrent Orthogonal Networks and Long-Memory
Tasks", 2016, arXiv:1602.06662, and Helfrich, Willmott and Ye, "Orthogonal Recurrent Neural Networks
with Scaled Cayley Transform", 2018, arXiv:1707.09520.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from recurra.cells.cell import Cell
from recurra.errors import OptionError

FORMS = ("exp", "cayley")
INITS = ("henaff", "cayley")


class Orthogonal(nn.Module):
    """The map from free numbers (…, D) to matrices of D rows, one below another.

    Args:
        form: "exp" or "cayley".
    """

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def forward(self, free: Tensor) -> Tensor:
        D = free.shape[-1]
        above = free.reshape(-1, D, D).triu(1)
        skew = above - above.mT
        if self.form == "exp":
            W: Tensor = torch.matrix_exp(skew)
            # Squared again and again in float32, W is 2e-6 away; this step of Newton brings it
            # back. To first order it changes nothing along the orthogonal matrices.
            W = 1.5 * W - 0.5 * (W @ W.mT) @ W
        else:
            one = torch.eye(D, dtype=free.dtype, device=free.device)
            W = torch.linalg.solve(one + skew, one - skew)
        return W.reshape(free.shape)


def orthogonal(
    cell: Cell[Any], name: str = "weight_hh", *, form: str = "exp", init: str = "henaff"
) -> None:
    """Keep a weight of a cell orthogonal, block by block, whatever an optimiser does.

    The weight becomes a function of the parameter `parametrizations.<name>.original`, which is
    taken once a call of `sequence`. Papers give that parameter a tenth of the learning rate.

    Args:
        cell: changed in place.
        name: a weight (…, D) of square blocks, one below another.
        form: the map, "exp" or "cayley".
        init: how the blocks begin, "henaff" for memories, "cayley" nearer to the identity.

    Raises:
        OptionError: an option is unknown, or there is no such weight.
    """
    for key, value, known in (("form", form, FORMS), ("init", init, INITS)):
        if value not in known:
            raise OptionError(f"orthogonal: {key} is {value!r}, one of {', '.join(known)} fits")
    weight = _weight(cell, name)
    with torch.no_grad():
        for block in weight.view(-1, weight.shape[-1], weight.shape[-1]):
            _begin(block, init)
    register_parametrization(cell, name, Orthogonal(form))


def _weight(cell: Cell[Any], name: str) -> nn.Parameter:
    held = dict(cell.named_parameters(recurse=False))
    label = type(cell).__name__
    if is_parametrized(cell, name):
        raise OptionError(f"orthogonal: {label}.{name} is parametrised already")
    if name not in held:
        known = ", ".join(held)
        raise OptionError(f"orthogonal: {label} has no weight {name!r}, one of {known} fits")
    weight = held[name]
    if weight.ndim < 2 or weight.shape[-2] % weight.shape[-1]:
        shape = tuple(weight.shape)
        raise OptionError(f"orthogonal: {label}.{name} is {shape}, blocks (D, D) below another fit")
    return weight


def _begin(block: Tensor, init: str) -> None:
    """Write the planes' angles above the diagonal; an odd last unit stays where it is."""
    planes = len(block) // 2
    angle = torch.empty(planes, dtype=block.dtype, device=block.device)
    if init == "henaff":
        angle.uniform_(-math.pi, math.pi)
    else:
        cosine = angle.uniform_(0, math.pi / 2).cos()
        angle = -((1 - cosine) / (1 + cosine)).sqrt()
    block.zero_()
    for k in range(planes):
        block[2 * k, 2 * k + 1] = angle[k]
