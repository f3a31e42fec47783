"""A recurrent network over segments: short in time, parallel in its answer.

The context is cut into segments of w steps; each becomes one input of the cell, so a context of
L steps takes L / w recurrent steps. The answer's segments do not wait for one another: each has a
query made of its position and of its series, and one step of the cell from the context's last
state answers it. All values are taken relative to the last one known, which makes the network
indifferent to the level of a series.

    e_j = relu(W [y_j - y_L, covariates_j] + b)     j = 1 … L / w, segments of the context
    s_0 = state after e_1 … e_{L/w}
    q_k = [position_k, series] + V future_k         k = 1 … P / w, segments of the answer
    y_k = y_L + U step(q_k, s_0) + c

Source: Lin et al., "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series
Forecasting", 2023, arXiv:2308.11200, section 4 (there with a GRU and without covariates).
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recurra.cells import Cell
from recurra.engine import tree_map
from recurra.models.series import SeriesEmbedding


class SegmentForecaster(nn.Module):
    """Predicts all steps of the horizon at once from segments of the context.

    Args:
        cell: what remembers; its input and output width is D.
        horizon: steps predicted.
        segment: steps in a segment, w.
        series: how many series there are to tell apart.
        past: covariates known up to now, per step.
        future: covariates known ahead, per step.
        gaps: whether the network is told which values were observed.
        dropout: share of the answer's features dropped in training.
    """

    def __init__(
        self,
        cell: Cell[Any],
        *,
        horizon: int,
        segment: int,
        series: int = 1,
        past: int = 0,
        future: int = 0,
        gaps: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width = cell.input_size
        self.cell, self.segment, self.horizon = cell, segment, horizon
        self.answers = -(-horizon // segment)
        self.gaps = gaps
        self.embed = nn.Linear(segment * (1 + gaps + past + future), width)
        self.position = nn.Parameter(torch.randn(self.answers, width - width // 2))
        self.series = SeriesEmbedding(series, width // 2)
        self.ahead = nn.Linear(segment * future, width) if future else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(cell.output_size, segment)

    def forward(
        self,
        y: Float[Tensor, "B L"],
        series: Int[Tensor, "B"],
        observed: Bool[Tensor, "B L"] | None = None,
        past: Float[Tensor, "B L K"] | None = None,
        future: Float[Tensor, "B LP J"] | None = None,
    ) -> Float[Tensor, "B P"]:
        """Predict the horizon.

        Args:
            y: the scaled context.
            series: which series each row is of; -1 for one never seen.
            observed: which values of `y` are real, looked at with `gaps`; all when not given.
            past: covariates of the context.
            future: covariates of the context and of the horizon.
        """
        B, L = y.shape
        last = y[:, -1:]
        parts = [self._segments((y - last).unsqueeze(-1))]
        if self.gaps:
            seen = torch.ones_like(y) if observed is None else observed.to(y.dtype)
            parts.append(self._segments(seen.unsqueeze(-1)))
        if past is not None:
            parts.append(self._segments(past))
        if future is not None:
            parts.append(self._segments(future[:, :L]))
        _, state = self.cell.sequence(torch.relu(self.embed(torch.cat(parts, dim=-1))))
        query = self._queries(series, None if future is None else future[:, L:])
        state = tree_map(lambda part: part.repeat_interleave(self.answers, dim=0), state)
        answer, _ = self.cell.step(query, state)
        change: Tensor = self.head(self.dropout(answer)).reshape(B, -1)[:, : self.horizon]
        return last + change

    def _segments(self, features: Float[Tensor, "B T K"]) -> Float[Tensor, "B N WK"]:
        B, T, K = features.shape
        return features.reshape(B, T // self.segment, self.segment * K)

    def _queries(
        self, series: Int[Tensor, "B"], future: Float[Tensor, "B P J"] | None
    ) -> Float[Tensor, "BM D"]:
        """One query per row and segment of the answer."""
        B = series.shape[0]
        position = self.position.expand(B, -1, -1)
        identity = self.series(series).unsqueeze(1).expand(-1, self.answers, -1)
        query = torch.cat([position, identity], dim=-1)
        if self.ahead is not None and future is not None:
            short = self.answers * self.segment - self.horizon
            padded = nn.functional.pad(future, (0, 0, 0, short))
            query = query + self.ahead(self._segments(padded))
        return query.flatten(0, 1)
