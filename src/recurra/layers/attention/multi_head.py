"""Multi-head attention of a query to a memory.

    q^n, k_j^n, v_j^n = heads of W_q q, W_k m_j, W_v m_j            of D columns each
    a^n = softmax_j(q^n · k_j^n / sqrt(D))
    c = W_o [Σ_j a_j^1 v_j^1; …] + b_o

Source: Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 3.2.2. Weights
begin as those of `torch.nn.MultiheadAttention`, of which they are the parts.
"""

from typing import Any

import torch
from torch import Tensor, nn

from recurra.cells.check import positive
from recurra.errors import OptionError
from recurra.layers.attention.attention import Attention, Found
from recurra.layers.attention.memory import Prepared, shares_of


class MultiHead(Attention):
    """Several scaled products at once; the shares that it shows are their mean.

    Args:
        query_size: Q.
        memory_size: E.
        output_size: C; heads of C / heads columns.
        heads: N, divides output_size.
        bias: whether the four matrices have one.

    Raises:
        OptionError: heads does not fit.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        output_size: int,
        heads: int = 1,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        where = "MultiHead"
        positive(where, query_size=query_size, memory_size=memory_size, output_size=output_size)
        if heads < 1 or output_size % heads:
            raise OptionError(f"{where}: heads is {heads}, a divisor of {output_size} fits")
        self.query_size, self.memory_size = query_size, memory_size
        self.output_size, self.heads = output_size, heads
        self.query = nn.Linear(query_size, output_size, bias, device, dtype)
        self.key = nn.Linear(memory_size, output_size, bias, device, dtype)
        self.value = nn.Linear(memory_size, output_size, bias, device, dtype)
        self.out = nn.Linear(output_size, output_size, bias, device, dtype)
        for each in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(each.weight)
        for each in (self.query, self.key, self.value, self.out):
            if bias:
                nn.init.zeros_(each.bias)

    def keys(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values in heads, (B, S, N, D)."""
        shape = (*values.shape[:2], self.heads, self.output_size // self.heads)
        return self.key(values).view(shape), self.value(values).view(shape)

    def look(self, query: Tensor, state: Any, memory: Prepared) -> Found:
        k, v = memory.keys
        D = self.output_size // self.heads
        q = self.query(query).reshape(-1, self.heads, D)
        scores = torch.einsum("bnd,bsnd->bns", q, k) * D**-0.5
        shares = shares_of(scores, memory.there)
        c = self.out(torch.einsum("bns,bsnd->bnd", shares, v).flatten(1))
        return Found(c, shares.mean(1), state)
