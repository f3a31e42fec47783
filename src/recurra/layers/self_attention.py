"""Self-attention: every place of a sequence looks at all of it.

    q^n, k^n, v^n = heads of W norm(x) + b                      of D columns each
    a_ij = softmax_j(q_i^n · k_j^n / sqrt(D))
    y_i = x_i + m * (W_o [Σ_j a_ij^1 v_j^1; …] + b_o)           m: a mask of dropout, in training

Source: Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 3.2.2; the norm
before it: Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020,
arXiv:2002.04745, section 3.1. Weights begin as those of `torch.nn.MultiheadAttention`.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import admit, positive
from recurra.engine import clear
from recurra.errors import OptionError
from recurra.layers.around import check_rate, keep_mask
from recurra.layers.each import Each
from recurra.layers.pre_norm import norm_of
from recurra.layers.stepless import Stepless, sequence_numbers


class SelfAttention(Stepless):
    """Adds to each place what it finds in its sequence.

    It knows no order: a recurrent layer below tells it one.

    Args:
        size: features, F, of x and of y.
        heads: N, divides size.
        dropout: probability that a number of what was found is dropped while training; the same
            ones over all places of a sequence.

    Raises:
        OptionError: an option does not fit.
    """

    why = "each output needs the whole sequence"

    def __init__(
        self,
        size: int,
        heads: int = 1,
        dropout: float = 0.0,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive("SelfAttention", size=size)
        check_rate("SelfAttention", "dropout", dropout)
        if heads < 1 or size % heads:
            raise OptionError(f"SelfAttention: heads is {heads}, a divisor of {size} fits")
        self.input_size = self.output_size = size
        self.heads, self.dropout = heads, dropout
        project = nn.Linear(size, 3 * size, device=device, dtype=dtype)
        norm = norm_of("SelfAttention", "layer", size, project.weight)
        self.project = Each(nn.Sequential(norm, project), size, 3 * size)
        out = nn.Linear(size, size, device=device, dtype=dtype)
        self.out = Each(out)
        nn.init.xavier_uniform_(project.weight)
        nn.init.zeros_(project.bias)
        nn.init.zeros_(out.bias)

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def sample_context(self, batch_size: int) -> Tensor | None:
        """The mask (B, F) of one training sequence; None where nothing is dropped."""
        if not self.training or self.dropout == 0:
            return None
        like = next(self.out.parameters()).detach()
        return keep_mask(like, (batch_size, self.output_size), self.dropout)

    def sequence(
        self,
        x: Float[Tensor, "B T F"],
        state: tuple[()] | None = None,
        context: Float[Tensor, "B F"] | None = None,
        *,
        lengths: Int64[Tensor, " B"] | None = None,
        reset: Bool[Tensor, "B T"] | None = None,
        checkpoint: int | None = None,
        weights: torch.dtype | None = None,
    ) -> tuple[Float[Tensor, "B T F"], Any]:
        """As `Cell.sequence`; a place sees those of its own sequence between resets alone."""
        admit("SelfAttention", self, x, state, lengths, reset)
        mask = self.sample_context(len(x)) if context is None else context
        number = sequence_numbers(x.shape[1], lengths, reset)
        x = x if number is None else clear(number < 0, x)
        parts, _ = self.project.sequence(x, lengths=lengths, checkpoint=checkpoint, weights=weights)
        found, _ = self.out.sequence(
            self._found(parts, number), lengths=lengths, checkpoint=checkpoint, weights=weights
        )
        return x + (found if mask is None else found * mask[:, None]), ()

    def _found(self, parts: Tensor, number: Tensor | None) -> Tensor:
        """What each place reads, (B, T, F)."""
        heads = (3, self.heads, self.output_size // self.heads)
        q, k, v = parts.unflatten(-1, heads).permute(2, 0, 3, 1, 4)  # (B, N, T, D)
        # Places past a row's length see each other: no row of the softmax is empty.
        seen = None if number is None else (number[:, :, None] == number[:, None])[:, None]
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return found.transpose(1, 2).flatten(2).to(parts.dtype)
