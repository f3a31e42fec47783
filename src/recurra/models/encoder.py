"""A source read from both ends.

    x_j = m * E s_j                          the same features m dropped at all places
    v   = layers over x                      each from both ends, or looking at all places
    u   = mean_j v_j                         what the decoder's first state is made of

Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", 2014, arXiv:1409.0473, section 3.2; the mean in the place of the last state: Sennrich et
al., "Nematus: a Toolkit for Neural Machine Translation", 2017, arXiv:1703.04357, section 2.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.layers import Embedding, Stack
from recurra.layers.around import check_rate, keep_mask
from recurra.layers.attention import Memory
from recurra.models.source import Source

# A plan of a decoder is made for one number of places: so many numbers share one.
STRIDE = 8


class Read(NamedTuple):
    """What a decoder is told of its sources; a memory may have more places than the longest."""

    memory: Memory
    summary: Float[Tensor, "B E"]


class Encoder(nn.Module):
    """Makes a memory of a batch of sources.

    Args:
        table: of the source's tokens.
        layers: read the table's rows; outputs as wide as the memory, E.
        dropout: share of features dropped from the table's rows, at all places the same.
        most: places that a source may have; any number for 0.
    """

    def __init__(
        self, table: Embedding, layers: Stack, *, dropout: float = 0.0, most: int = 0
    ) -> None:
        super().__init__()
        check_rate("Encoder", "dropout", dropout)
        self.table, self.layers, self.dropout, self.most = table, layers, dropout, most
        self.output_size = layers.output_size

    def forward(self, source: Source) -> Read:
        """The memory and its summary; what stands in the padding has no influence."""
        ids, lengths, _ = source
        x, _ = self.table.sequence(ids, lengths=lengths)
        if self.training and self.dropout:
            x = x * keep_mask(x.detach(), (x.shape[0], x.shape[2]), self.dropout)[:, None]
        values, _ = self.layers.sequence(x, lengths=lengths)
        places = self.places(ids.shape[1])
        values = F.pad(values, (0, 0, 0, places - ids.shape[1]))
        there = torch.arange(places, device=ids.device) < lengths[:, None]
        summary = values.sum(1) / lengths.clamp(min=1)[:, None]
        return Read(Memory(values, there), summary)

    def places(self, length: int) -> int:
        """How many places the memory has for sources of this length."""
        even = -(-max(length, 1) // STRIDE) * STRIDE
        return min(even, self.most) if self.most >= length > 0 else even
