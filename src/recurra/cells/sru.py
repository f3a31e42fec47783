"""SRU: a simple recurrent unit, whose gates see its memory at most number by number.

    f_t = sigmoid(W_f x_t + v_f * c_{t-1} + b_f)
    r_t = sigmoid(W_r x_t + v_r * c_{t-1} + b_r)
    c_t = f_t * c_{t-1} + (1 - f_t) * (W x_t)
    h_t = r_t * c_t + (1 - r_t) * α x_t            W_s x_t in the place of α x_t where H is not F

Without `peephole` v is 0, which is the first version's and has a form over all steps at once. α is
√(1 + 2 exp(b_r)) at the beginning, so that an output is as large as its input. v is drawn like the
matrices, of which the paper says how.

Source: Lei et al., "Simple Recurrent Units for Highly Parallelizable Recurrence", 2018,
arXiv:1709.02755 version 5, sections 3.1 and 3.2.
"""

from math import exp
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.cells.over import Linear, Ways


class SRUState(NamedTuple):
    """`c` is the memory."""

    c: Float[Tensor, "B H"]


class SRUInputs(NamedTuple):
    """What the memory takes of a step: the candidate and the gates before their sigmoids."""

    new: Float[Tensor, "B ... H"]
    forget: Float[Tensor, "B ... H"]
    reset: Float[Tensor, "B ... H"]
    skip: Float[Tensor, "B ... H"]


class SRU(Linear[SRUState]):
    """Simple recurrent unit.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        peephole: the gates see the memory, by v.
        highway_bias: b_r at the beginning; below 0 the output is mostly the input.
        signed: decays lie in (-1, 1) rather than in (0, 1): f before c_{t-1} becomes 2 f - 1.
    """

    gates: ClassVar[tuple[str, ...]] = ("new", "forget", "reset")
    vector: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        peephole: bool = True,
        highway_bias: float = 0.0,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("SRU", input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.output_size, self.signed = input_size, hidden_size, signed
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.has_skip = input_size != hidden_size
        rows = (4 if self.has_skip else 3) * hidden_size
        bound = (3 / input_size) ** 0.5
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size, **made).uniform_(-bound, bound))
        # (2 H), the forget gate's before the reset gate's
        bias = torch.zeros(2 * hidden_size, **made)
        bias[hidden_size:] = highway_bias
        self.bias = nn.Parameter(bias)
        self.scale = (1 + 2 * exp(highway_bias)) ** 0.5
        vector = torch.empty(2 * hidden_size, **made).uniform_(-bound, bound) if peephole else None
        self.register_parameter("vector", None if vector is None else nn.Parameter(vector))

    def initial_state(self, batch_size: int) -> SRUState:
        return SRUState(self.bias.new_zeros(batch_size, self.output_size))

    def over(
        self, x: Float[Tensor, "B ... F"], state: SRUState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], SRUState]:
        new, f, r, *skip = torch.split(F.linear(x, self.weight_ih), self.output_size, -1)
        b_f, b_r = self.bias.chunk(2)
        inputs = SRUInputs(new, f + b_f, r + b_r, skip[0] if skip else x * self.scale)
        if self.vector is not None:
            return ways.run(self.core, inputs, state)
        f = torch.sigmoid(inputs.forget)
        c, last = ways.scan(self._keep(f), (1 - f) * new, state.c)
        return _out(c, torch.sigmoid(inputs.reset), inputs.skip), SRUState(last)

    def core(
        self, x: SRUInputs, state: SRUState, context: None = None
    ) -> tuple[Float[Tensor, "B H"], SRUState]:
        """A step of the memory, which its gates may see."""
        f, r = x.forget, x.reset
        if self.vector is not None:
            v_f, v_r = self.vector.chunk(2)
            f, r = f + v_f * state.c, r + v_r * state.c
        f = torch.sigmoid(f)
        c = self._keep(f) * state.c + (1 - f) * x.new
        return _out(c, torch.sigmoid(r), x.skip), SRUState(c)

    def _keep(self, f: Tensor) -> Tensor:
        return 2 * f - 1 if self.signed else f


def _out(c: Tensor, r: Tensor, skip: Tensor) -> Tensor:
    return r * c + (1 - r) * skip
