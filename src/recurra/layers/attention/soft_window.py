"""Graves' soft window: a few bumps that move along the memory, forwards alone.

    α̂, β̂, κ̂ = split(W q + b)                                K numbers each
    κ_t = κ_{t-1} + exp(κ̂)
    φ_u = Σ_k exp(α̂_k) exp(-exp(β̂_k) (κ_tk - u)²)           u = 1 … S
    c_t = Σ_u φ_u m_u

A decoder has come to the end when φ of the place behind the last is the largest: `is_over`.

Source: Graves, "Generating Sequences With Recurrent Neural Networks", 2013, arXiv:1308.0850,
equations 46 to 51; the end: section 5.3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Prepared, read


class SoftWindowState(NamedTuple):
    """Where each bump stands, and the last query's other numbers, of which `is_over` is made."""

    place: Float[Tensor, "B K"]
    weight: Float[Tensor, "B K"]
    width: Float[Tensor, "B K"]


class SoftWindow(Attention):
    """Graves' soft window.

    Args:
        query_size: Q.
        memory_size: E.
        bumps: K.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        bumps: int = 10,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("SoftWindow", query_size=query_size, memory_size=memory_size, bumps=bumps)
        self.query_size, self.memory_size, self.bumps = query_size, memory_size, bumps
        self.output_size = memory_size
        self.query = nn.Linear(query_size, 3 * bumps, device=device, dtype=dtype)

    def initial_state(self, batch_size: int) -> SoftWindowState:
        zeros = self.query.weight.new_zeros(batch_size, self.bumps)
        return SoftWindowState(zeros, zeros, zeros)

    def look(self, query: Tensor, state: SoftWindowState, memory: Prepared) -> Found:
        weight, width, move = torch.exp(self.query(query)).chunk(3, -1)
        state = SoftWindowState(state.place + move, weight, width)
        shares = _weights(state, memory.values.shape[1])
        if memory.there is not None:
            shares = torch.where(memory.there, shares, torch.zeros_like(shares))
        return Found(read(shares, memory.values), shares, state)

    def is_over(self, state: SoftWindowState, lengths: Tensor) -> Bool[Tensor, " B"]:
        """Whether φ of the place behind the last is above that of every place.

        Args:
            lengths: (B,) places that a row's memory has.
        """
        places = int(lengths.max()) + 1
        weights = _weights(state, places)
        u = torch.arange(places, device=weights.device)
        inside = weights.masked_fill(u >= lengths[:, None], 0.0).amax(-1)
        return weights.gather(1, lengths[:, None])[:, 0] > inside


def _weights(state: SoftWindowState, places: int) -> Tensor:
    """φ of the places 1 … S, (B, S)."""
    u = torch.ones_like(state.place[:, :1]).expand(-1, places).cumsum(-1)
    away = state.place[:, :, None] - u[:, None]
    bumps = state.weight[:, :, None] * torch.exp(-state.width[:, :, None] * away.square())
    return bumps.sum(1)
