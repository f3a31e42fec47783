"""Attention with coverage: what it has looked at so far tells where it need not look again.

    c_t = Σ_{s<t} a_s                                            its state; 0 before the first step
    e_j = v · tanh(W q + U m_j + w c_tj + b)
    a_t = softmax(e)
    c*_t = Σ_j a_tj m_j                                          what is read

    coverage loss of step t = Σ_j min(a_tj, c_tj)                looking twice costs

Source: See, Liu and Manning, "Get To The Point: Summarization with Pointer-Generator Networks",
2017, arXiv:1704.04368, equations 10 to 12.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Prepared, check_places, filled, read, shares_of


class CoveringState(NamedTuple):
    """`covered`: the shares of all steps so far, summed, of as many places as a memory may have."""

    covered: Float[Tensor, "B S"]


class Covering(Attention):
    """See's attention: additive, with a coverage.

    Args:
        query_size: Q.
        memory_size: E.
        hidden_size: columns of the network between.
        places: the most that a memory may have, S, as in `Location`.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        hidden_size: int,
        places: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        where = "Covering"
        positive(where, query_size=query_size, memory_size=memory_size, hidden_size=hidden_size)
        positive(where, places=places)
        self.query_size, self.memory_size, self.places = query_size, memory_size, places
        self.output_size = memory_size
        self.query = nn.Linear(query_size, hidden_size, device=device, dtype=dtype)
        self.key = nn.Linear(memory_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.cover = nn.Linear(1, hidden_size, bias=False, device=device, dtype=dtype)
        self.score = nn.Linear(hidden_size, 1, bias=False, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> CoveringState:
        return CoveringState(self.score.weight.new_zeros(batch_size, self.places))

    def keys(self, values: Tensor) -> Tensor:
        found: Tensor = self.key(values)
        return found

    def look(self, query: Tensor, state: CoveringState, memory: Prepared) -> Found:
        S = memory.values.shape[1]
        check_places("Covering", S, self.places)
        covered = state.covered[:, :S, None] * self.cover.weight[:, 0]
        inner = torch.tanh(self.query(query)[:, None] + memory.keys + covered)
        shares = shares_of((inner * self.score.weight[0]).sum(-1), memory.there)
        kept = CoveringState(state.covered + filled(shares, self.places))
        return Found(read(shares, memory.values), shares, kept)


def coverage_loss(
    shares: Float[Tensor, "B T S"], lengths: Int64[Tensor, " B"] | None = None
) -> Float[Tensor, ""]:
    """What looking twice costs: the mean over true steps of Σ_j min(a_tj, Σ_{s<t} a_sj).

    Args:
        shares: of every step of whole sequences; what stands past a row's length has no influence.
        lengths: true steps per row; all T when not given.
    """
    before = shares.cumsum(1) - shares
    lost = torch.minimum(shares, before).sum(-1)
    if lengths is None:
        return lost.sum() / max(lost.numel(), 1)
    dead = torch.arange(shares.shape[1], device=shares.device) >= lengths[:, None]
    return lost.masked_fill(dead, 0).sum() / lengths.sum().clamp(min=1)
