"""Luong's attention: three ways to score each place.

    dot        e_j = q · m_j
    general    e_j = q · W m_j
    concat     e_j = v · tanh(W [q; m_j])
    a = softmax(e)
    c = Σ_j a_j m_j

Source: Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine
Translation", 2015, arXiv:1508.04025, section 3.1.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.errors import OptionError
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Prepared, read, shares_of

SCORES = ("dot", "general", "concat")


class Luong(Attention):
    """Luong's global attention.

    Args:
        query_size: Q.
        memory_size: E; Q for "dot".
        score: "dot", "general" or "concat".
        hidden_size: columns of the network of "concat"; Q when not given.

    Raises:
        OptionError: an option does not fit.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        score: str = "general",
        *,
        hidden_size: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden_size = query_size if hidden_size is None else hidden_size
        positive("Luong", query_size=query_size, memory_size=memory_size, hidden_size=hidden_size)
        if score not in SCORES:
            raise OptionError(f"Luong: score is {score!r}, one of {', '.join(SCORES)} fits")
        if score == "dot" and query_size != memory_size:
            raise OptionError(
                f"Luong: dot takes queries as wide as the memory, which is {memory_size}; "
                f"{query_size} came"
            )
        self.query_size, self.memory_size, self.kind = query_size, memory_size, score
        self.output_size = memory_size
        self.key: nn.Linear | None = None
        self.score: nn.Linear | None = None
        if score == "general":
            self.key = nn.Linear(memory_size, query_size, False, device, dtype)
        if score == "concat":
            self.key = nn.Linear(query_size + memory_size, hidden_size, False, device, dtype)
            self.score = nn.Linear(hidden_size, 1, False, device, dtype)

    def keys(self, values: Tensor) -> Tensor:
        if self.key is None:
            return values
        # Of W [q; m], the part on m.
        weight = self.key.weight
        return F.linear(values, weight if self.score is None else weight[:, self.query_size :])

    def look(self, query: Tensor, state: Any, memory: Prepared) -> Found:
        shares = shares_of(self._scores(query, memory.keys), memory.there)
        return Found(read(shares, memory.values), shares, state)

    def _scores(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.key is None or self.score is None:
            return torch.einsum("bq,bsq->bs", query, keys)
        inner = torch.tanh(F.linear(query, self.key.weight[:, : self.query_size])[:, None] + keys)
        return (inner * self.score.weight[0]).sum(-1)
