"""HGRN: a gated linear recurrence whose forget gates have a lower bound.

    f_t = l + (1 - l) * sigmoid(W_f x_t)           l the lower bound
    i_t = (1 - f_t) * silu(W_i x_t)
    h_t = f_t * h_{t-1} + i_t
    y_t = W_o (RMSNorm(h_t) * silu(W_g x_t))

In a stack of layers l grows from layer to layer: 0 in the first, in the others what their option
says, such as the cumulative sum of a softmax over layers. This is the form on real numbers; the
first publication also turns h by fixed angles, which its authors left out later (HGRN2), and
normalises after the output gate.

Source: Qin, Yang and Zhong, "Hierarchically Gated Recurrent Neural Network for Sequence Modeling",
2023, arXiv:2311.04823, section 3.2; on real numbers, with the norm before the gate: Yang and Zhang,
"FLA: A Triton-Based Library for Hardware-Efficient Implementations of Linear Attention Mechanism",
2024.
"""

from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways
from recurra.errors import OptionError


class HGRNState(NamedTuple):
    """`h` is the memory."""

    h: Float[Tensor, "B H"]


class HGRN(Linear[HGRNState]):
    """Hierarchically gated recurrent unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        lower_bound: the least forget gate, at least 0 and below 1.
        signed: decays lie in (-1, 1) rather than in (0, 1): f of the state becomes 2 f - 1.
    """

    gates: ClassVar[tuple[str, ...]] = ("forget", "input", "output")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        lower_bound: float = 0.0,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("HGRN", input_size=input_size, hidden_size=hidden_size)
        if not 0 <= lower_bound < 1:
            raise OptionError(f"HGRN: lower_bound is {lower_bound}, at least 0 and below 1 fits")
        self.input_size, self.output_size = input_size, hidden_size
        self.lower_bound, self.signed = lower_bound, signed
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.project = nn.Linear(input_size, 3 * hidden_size, bias=False, **made)
        self.norm = nn.RMSNorm(hidden_size, eps=1e-5, **made)
        self.out = nn.Linear(hidden_size, hidden_size, bias=False, **made)

    def initial_state(self, batch_size: int) -> HGRNState:
        return HGRNState(self.project.weight.new_zeros(batch_size, self.output_size))

    def over(
        self, x: Float[Tensor, "B ... F"], state: HGRNState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], HGRNState]:
        f, i, g = self.project(x).chunk(3, dim=-1)
        # 1 - f, which keeps its digits where f is almost 1
        forget = (1 - self.lower_bound) * torch.sigmoid(-f)
        keep = 1 - 2 * forget if self.signed else 1 - forget
        h, last = ways.scan(keep, forget * F.silu(i), state.h)
        return self.out(self.norm(h) * F.silu(g)), HGRNState(last)
