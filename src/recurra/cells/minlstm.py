"""minLSTM: an LSTM whose gates never look at the state, and sum to 1.

    f_t, i_t, n_t = split(W x_t + b)
    a_t = sigmoid(f_t) / (sigmoid(f_t) + sigmoid(i_t))
    h_t = a_t * h_{t-1} + (1 - a_t) * g(n_t)     g(u) = u; with `positive` as in minGRU

a_t is computed as sigmoid(log sigmoid(f_t) - log sigmoid(i_t)), where nothing underflows.

Source: Feng et al., "Were RNNs All We Needed?", 2024, arXiv:2410.01201, section 3.2; g: appendix B.
"""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells import check
from recurra.cells.mingru import above_zero
from recurra.cells.over import Linear, Ways


class MinLSTMState(NamedTuple):
    """`h` is the last output."""

    h: Float[Tensor, "B H"]


class MinLSTM(Linear[MinLSTMState]):
    """Minimal long short-term memory.

    Args:
        input_size: features per time step, F.
        hidden_size: width of the state and of the output, H.
        positive: candidates are above 0.
        signed: decays lie in (-1, 1) rather than in (0, 1): a becomes 2 a - 1.
    """

    gates: ClassVar[tuple[str, ...]] = ("forget", "input", "new")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        positive: bool = False,
        signed: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check.positive("MinLSTM", input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size
        self.positive, self.signed = positive, signed
        self.project = nn.Linear(input_size, 3 * hidden_size, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> MinLSTMState:
        return MinLSTMState(self.project.weight.new_zeros(batch_size, self.output_size))

    def over(
        self, x: Float[Tensor, "B ... F"], state: MinLSTMState, ways: Ways
    ) -> tuple[Float[Tensor, "B ... H"], MinLSTMState]:
        f, i, n = self.project(x).chunk(3, dim=-1)
        a = torch.sigmoid(F.logsigmoid(f) - F.logsigmoid(i))
        n = above_zero(n) if self.positive else n
        y, h = ways.scan(2 * a - 1 if self.signed else a, (1 - a) * n, state.h)
        return y, MinLSTMState(h)
