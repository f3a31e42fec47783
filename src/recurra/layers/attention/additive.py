"""Additive attention: a small network scores each place.

    e_j = v · tanh(W q + U m_j)
    a = softmax(e)
    c = Σ_j a_j m_j

Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", 2014, arXiv:1409.0473, section 3.1 and appendix A.1.2.
"""

from typing import Any

import torch
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Prepared, read, shares_of


class Additive(Attention):
    """Bahdanau's attention.

    Args:
        query_size: Q.
        memory_size: E.
        hidden_size: columns of the network between.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        hidden_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(
            "Additive", query_size=query_size, memory_size=memory_size, hidden_size=hidden_size
        )
        self.query_size, self.memory_size = query_size, memory_size
        self.output_size = memory_size
        self.query = nn.Linear(query_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.key = nn.Linear(memory_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.score = nn.Linear(hidden_size, 1, bias=False, device=device, dtype=dtype)

    def keys(self, values: Tensor) -> Tensor:
        found: Tensor = self.key(values)
        return found

    def look(self, query: Tensor, state: Any, memory: Prepared) -> Found:
        inner = torch.tanh(self.query(query)[:, None] + memory.keys)
        shares = shares_of((inner * self.score.weight[0]).sum(-1), memory.there)
        return Found(read(shares, memory.values), shares, state)
