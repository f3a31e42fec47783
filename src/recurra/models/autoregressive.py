"""A plain recurrent network: one value in, the next one out, its answers fed back.

    s_t, o_t = step([y_t - y_L, covariates_t, series], s_{t-1})
    y_{t+1}  = y_t + U o_t + c

Over the context the values are real; over the horizon each answer is the next input, in training
as well, so the network learns on what it will meet. Covariates known only up to now keep their
last value over the horizon.

Source: Graves, "Generating Sequences With Recurrent Neural Networks", 2013, arXiv:1308.0850,
section 2 (prediction networks), for real values with a squared or absolute loss.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recurra.cells import Cell
from recurra.models.series import SeriesEmbedding

IDENTITY = 8


class AutoregressiveForecaster(nn.Module):
    """Predicts the horizon step by step.

    Args:
        cell: what remembers; its input is `inputs(...)` wide.
        horizon: steps predicted.
        series: how many series there are to tell apart.
        gaps: whether the network is told which values were observed.
        dropout: share of the output's features dropped in training.
    """

    def __init__(
        self,
        cell: Cell[Any],
        *,
        horizon: int,
        series: int = 1,
        gaps: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.cell, self.horizon, self.gaps = cell, horizon, gaps
        self.series = SeriesEmbedding(series, IDENTITY)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(cell.output_size, 1)

    @staticmethod
    def inputs(*, past: int, future: int, gaps: bool) -> int:
        """Features per step: the value, its mask, covariates, and the series' vector."""
        return 1 + gaps + past + future + IDENTITY

    def forward(
        self,
        y: Float[Tensor, "B L"],
        series: Int[Tensor, "B"],
        observed: Bool[Tensor, "B L"] | None = None,
        past: Float[Tensor, "B L K"] | None = None,
        future: Float[Tensor, "B LP J"] | None = None,
    ) -> Float[Tensor, "B P"]:
        """Predict the horizon; the arguments are those of `SegmentForecaster.forward`."""
        L = y.shape[1]
        last = y[:, -1:]
        identity = self.series(series)
        features = [(y - last).unsqueeze(-1)]
        if self.gaps:
            seen = torch.ones_like(y) if observed is None else observed.to(y.dtype)
            features.append(seen.unsqueeze(-1))
        if past is not None:
            features.append(past)
        if future is not None:
            features.append(future[:, 1 : L + 1])
        features.append(identity.unsqueeze(1).expand(-1, L, -1))
        outputs, state = self.cell.sequence(torch.cat(features, dim=-1))
        value = self._next(outputs[:, -1], torch.zeros_like(last))
        values = [value]
        held = [] if past is None else [past[:, -1]]
        real = [torch.ones_like(last)] if self.gaps else []
        for step in range(1, self.horizon):
            ahead = [] if future is None else [future[:, L + step]]
            output, state = self.cell.step(
                torch.cat([value, *real, *held, *ahead, identity], dim=-1), state
            )
            value = self._next(output, value)
            values.append(value)
        return last + torch.cat(values, dim=-1)

    def _next(
        self, output: Float[Tensor, "B H"], value: Float[Tensor, "B 1"]
    ) -> Float[Tensor, "B 1"]:
        change: Tensor = self.head(self.dropout(output))
        return value + change
