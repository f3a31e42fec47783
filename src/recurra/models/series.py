"""Which series a row is of."""

from jaxtyping import Float, Int
from torch import Tensor, nn


class SeriesEmbedding(nn.Module):
    """A vector per series; a series never seen gets the mean of those that were.

    Args:
        series: how many series were seen in training.
        width: features of a vector, D.
    """

    def __init__(self, series: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(series, width)

    def forward(self, series: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Look up `series`; -1 stands for one never seen."""
        known: Tensor = self.table(series.clamp(min=0))
        stranger = self.table.weight.mean(dim=0)
        return known.where((series >= 0).unsqueeze(-1), stranger)
