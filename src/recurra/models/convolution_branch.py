"""Convolutions over time beside recurrent layers, as in LSTM-FCN.

    x_k = relu(norm(conv_k(x_{k-1})))               k = 1, 2, 3, of widths 7, 5, 3
    x_k = x_k * sigmoid(V_k relu(U_k mean_t x_k))   k = 1, 2: squeeze and excite
    p   = mean_t x_3

all over true steps alone. The recurrent layers read the steps in their order: the "dimension
shuffle" of the authors' program gives the whole of a univariate series as one step. The first width
of the paper is 8; an odd one has a middle.

Sources: Karim, Majumdar, Darabi and Chen, "LSTM Fully Convolutional Networks for Time Series
Classification", 2018, arXiv:1709.05206, section III; squeeze and excite: Karim, Majumdar, Darabi
and Harford, "Multivariate LSTM-FCNs for Time Series Classification", 2019, arXiv:1801.04503,
section 3.2.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.cells.check import positive
from recurra.models.steps import padding

WIDTHS = (7, 5, 3)
REDUCED = 16  # features of a squeeze are one for so many channels


class ConvolutionBranch(nn.Module):
    """Summarises a sequence by the shapes in it.

    Args:
        input_size: features of a step, D.
        channels: of the first and last convolution, C; the one between has twice as many.
    """

    def __init__(self, input_size: int, channels: int) -> None:
        super().__init__()
        positive("ConvolutionBranch", input_size=input_size, channels=channels)
        sizes = list(pairwise([input_size, channels, 2 * channels, channels]))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(*size, width, padding=width // 2)
            for size, width in zip(sizes, WIDTHS, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _, size in sizes)
        self.excites = nn.ModuleList(_excite(size) for _, size in sizes[:-1])
        self.output_size = channels

    def forward(
        self, x: Float[Tensor, "B T D"], lengths: Int64[Tensor, " B"]
    ) -> Float[Tensor, "B C"]:
        """The mean of what is found over time."""
        # A convolution takes no sequence without places.
        x = x if x.shape[1] else F.pad(x, (0, 0, 0, 1))
        dead = padding(x.shape[1], lengths)[..., None]
        for number in range(len(WIDTHS)):
            x = self.convolutions[number](x.masked_fill(dead, 0).transpose(1, 2)).transpose(1, 2)
            x = torch.relu(self.norms[number](x))
            if number < len(self.excites):
                x = x * self.excites[number](_mean(x, dead))[:, None]
        return _mean(x, dead)


def _mean(x: Tensor, dead: Tensor) -> Tensor:
    """Over true steps; 0 of a row without any."""
    count = (~dead).sum(dim=1).clamp(min=1)
    return x.masked_fill(dead, 0).sum(dim=1) / count


def _excite(size: int) -> nn.Module:
    inner = max(1, size // REDUCED)
    down, up = nn.Linear(size, inner, bias=False), nn.Linear(inner, size, bias=False)
    return nn.Sequential(down, nn.ReLU(), up, nn.Sigmoid())
