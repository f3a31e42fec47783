"""Everything that shapes a forecaster's network, checked."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from recurra.cells import CELLS, ConvGRU, ConvLSTM
from recurra.errors import OptionError
from recurra.models import AutoregressiveForecaster, Blend, SegmentForecaster
from recurra.train import outline

MODELS = ("segment", "autoregressive")
# Those that read features; the others read images.
FITTING = [name for name in CELLS if CELLS[name] not in (ConvGRU, ConvLSTM)]

# Sizes beyond which a run folder is not believed.
LIMITS = {
    "horizon": 100_000,
    "context": 1_000_000,
    "segment": 1_000_000,
    "hidden_size": 65_536,
    "series": 10_000_000,
    "past": 10_000,
    "future": 10_000,
}


@dataclass(frozen=True)
class Setting:
    """Everything that shapes the network.

    Args:
        model: a name in MODELS.
        cell: a name in FITTING.
        hidden_size: width of the cell, H.
        horizon: steps predicted.
        context: steps looked back.
        segment: steps per segment; 1 for the autoregressive model.
        series: series told apart.
        past: covariates known up to now.
        future: covariates known ahead.
        gaps: whether the network is told which values were observed.
        dropout: share of features dropped before the last layer in training.
    """

    model: str
    cell: str
    hidden_size: int
    horizon: int
    context: int
    segment: int
    series: int
    past: int
    future: int
    gaps: bool
    dropout: float

    def __post_init__(self) -> None:
        if self.cell not in FITTING:
            raise OptionError(f'--cell is "{self.cell}"; what fits: {", ".join(FITTING)}')
        if self.model not in MODELS:
            raise OptionError(f'--model is "{self.model}"; what fits: {", ".join(MODELS)}')
        for name, most in LIMITS.items():
            value = getattr(self, name)
            least = 0 if name in ("past", "future") else 1
            if type(value) is not int or not least <= value <= most:
                raise OptionError(f"--{_flag(name)} is {value!r}; it is {least} … {most}")
        if not (isinstance(self.dropout, float | int) and 0 <= self.dropout < 1):
            raise OptionError(f"--dropout is {self.dropout!r}; it lies in 0 … 1")
        if self.context % self.segment:
            raise OptionError(f"context {self.context} is no multiple of segment {self.segment}")

    def build(self) -> Blend:
        """The network with weights drawn afresh, beside a linear map that has no share yet."""
        return Blend(self._network(), context=self.context, horizon=self.horizon)

    def weights(self) -> int:
        """How many numbers the network learns, counted without drawing any."""
        return sum(weight.numel() for weight in outline(self.build).parameters())

    def _network(self) -> nn.Module:
        make: Any = CELLS[self.cell]
        shared: dict[str, Any] = {"horizon": self.horizon, "series": self.series, "gaps": self.gaps}
        if self.model == "segment":
            return SegmentForecaster(
                make(self.hidden_size, self.hidden_size),
                segment=self.segment,
                past=self.past,
                future=self.future,
                dropout=self.dropout,
                **shared,
            )
        width = AutoregressiveForecaster.inputs(past=self.past, future=self.future, gaps=self.gaps)
        return AutoregressiveForecaster(
            make(width, self.hidden_size), dropout=self.dropout, **shared
        )


def _flag(name: str) -> str:
    return name.replace("_", "-")
