"""Location-aware attention: where it looked last tells where to look next.

    f = F * a_{t-1}            K filters of odd width, along the places
    e_j = w · tanh(W q + V m_j + U f_j + b)
    a_t = softmax(e)         or, smoothed, sigmoid(e_j) / Σ_j sigmoid(e_j)
    c_t = Σ_j a_tj m_j

Before the first step a is 0 everywhere. Sharpening is a factor on e before the softmax.

Source: Chorowski et al., "Attention-Based Models for Speech Recognition", 2015, arXiv:1506.07503,
equations 8 and 9, and section 2.2 for sharpening and smoothing.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.errors import OptionError
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Prepared, check_places, filled, read, shares_of


class LocationState(NamedTuple):
    """`shares` of the last step, of as many places as a memory may have."""

    shares: Float[Tensor, "B S"]


class Location(Attention):
    """Chorowski's attention.

    Args:
        query_size: Q.
        memory_size: E.
        hidden_size: columns of the network between.
        places: the most that a memory may have, S. They are part of the state, which knows its
            shape before it sees a memory.
        filters: K.
        width: places that a filter sees, odd.
        sharpness: factor on the scores.
        smooth: sigmoids in the place of the softmax.

    Raises:
        OptionError: an option does not fit.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        hidden_size: int,
        places: int,
        *,
        filters: int = 10,
        width: int = 31,
        sharpness: float = 1.0,
        smooth: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        where = "Location"
        positive(where, query_size=query_size, memory_size=memory_size, hidden_size=hidden_size)
        positive(where, places=places, filters=filters)
        if width < 1 or width % 2 == 0:
            raise OptionError(f"{where}: width is {width}, an odd number fits")
        self.query_size, self.memory_size, self.places = query_size, memory_size, places
        self.output_size = memory_size
        self.width, self.sharpness, self.smooth = width, sharpness, smooth
        self.query = nn.Linear(query_size, hidden_size, device=device, dtype=dtype)
        self.key = nn.Linear(memory_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.place = nn.Linear(filters, hidden_size, bias=False, device=device, dtype=dtype)
        self.score = nn.Linear(hidden_size, 1, bias=False, device=device, dtype=dtype)
        # (K, width), as a convolution of torch has it.
        self.filters = nn.Parameter(torch.empty(filters, width, device=device, dtype=dtype))
        nn.init.uniform_(self.filters, -(width**-0.5), width**-0.5)

    def initial_state(self, batch_size: int) -> LocationState:
        return LocationState(self.filters.new_zeros(batch_size, self.places))

    def keys(self, values: Tensor) -> Tensor:
        found: Tensor = self.key(values)
        return found

    def look(self, query: Tensor, state: LocationState, memory: Prepared) -> Found:
        S = memory.values.shape[1]
        check_places("Location", S, self.places)
        inner = self.query(query)[:, None] + memory.keys
        # A filter at a time, so that no gradient is summed over the places of a matrix product.
        filtered = self._filtered(state.shares[:, :S]).unbind(1)
        for each, weight in zip(filtered, self.place.weight.unbind(1), strict=True):
            inner = inner + each[:, :, None] * weight
        scores = (torch.tanh(inner) * self.score.weight[0]).sum(-1) * self.sharpness
        shares = self._smoothed(scores, memory.there) if self.smooth else None
        shares = shares_of(scores, memory.there) if shares is None else shares
        kept = LocationState(filled(shares, self.places))
        return Found(read(shares, memory.values), shares, kept)

    def _filtered(self, shares: Tensor) -> Tensor:
        """(B, K, S): each filter along the places, by a product with a band of its numbers."""
        S, K, W = shares.shape[1], len(self.filters), self.width
        # Read in rows that are one shorter than it is, it moves on by one in each of them.
        line = torch.cat([self.filters, self.filters.new_zeros(K, S)], 1)[:, None]
        rows = line.expand(K, S, W + S).reshape(K, -1)[:, : S * (W + S - 1)].view(K, S, -1)
        band = rows[:, :, W // 2 : W // 2 + S]
        return F.linear(shares, band.reshape(K * S, S)).view(-1, K, S)

    def _smoothed(self, scores: Tensor, there: Tensor | None) -> Tensor:
        gates = torch.sigmoid(scores)
        if there is not None:
            gates = torch.where(there, gates, torch.zeros_like(gates))
        total = gates.sum(-1, keepdim=True)
        return gates / torch.where(total > 0, total, torch.ones_like(total))
