"""What a diagnosis says of recurrences whose answer is known.

The echo repeats at every step the input of `lag` steps ago. Inputs are normal and independent, so a
network that answers well must remember exactly that far: its memory horizon is the lag. Networks
are trained until their loss says that they have learned it; what the diagnosis says is looked at
once, afterwards. The others are made to vanish, to explode, or to be healthy, and not trained.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bench.rows import Row
from recurra.cells import LSTM, Cell, Elman, chrono_, orthogonal_
from recurra.train import Diagnosis, diagnose

LAGS = (10, 30, 100)
# The variance of the inputs is 1, which is the loss of an answer that remembers nothing.
LEARNED, MOST_STEPS, SMOOTH = 0.02, 6000, 0.95
ROWS, RATE, WARM, SLOWER, CLIP = 16, 1e-3, 50, 300, 1.0
VERDICTS = {"vanishing": 0.5, "exploding": 3.0}


class Echo(nn.Module):
    """A cell and a readout, asked for the input of `lag` steps ago.

    Args:
        cell: reads one feature.
        lag: in steps.
    """

    def __init__(self, cell: Cell[Any], lag: int) -> None:
        super().__init__()
        self.cell, self.lag = cell, lag
        self.head = nn.Linear(cell.output_size, 1)

    def loss(self, x: Tensor) -> Tensor:
        """The mean squared error over the steps that have an answer."""
        y: Tensor = self.head(self.cell.sequence(x)[0])
        return (y[:, self.lag :] - x[:, : x.shape[1] - self.lag]).square().mean()

    def draw(self, random: torch.Generator) -> Tensor:
        """Rows of twice the lag and a little more."""
        return torch.randn(ROWS, 2 * self.lag + 20, 1, generator=random)


def learned_echo(lag: int, seed: int = 0) -> tuple[Echo, float, int]:
    """A network that has learned the echo; its loss, smoothed, and the steps it took."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed + 1)
    model = Echo(turned(Elman(1, 2 * lag + 12), 1.0), lag)
    optimizer = torch.optim.Adam(model.parameters())
    smooth, step = 1.0, 0
    while smooth > LEARNED and step < MOST_STEPS:
        step += 1
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, step / WARM, SLOWER / step)
        loss = model.loss(model.draw(random))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        smooth = SMOOTH * smooth + (1 - SMOOTH) * loss.item()
    return model, smooth, step


def turned(cell: Elman, scale: float) -> Elman:
    """The cell with so many times an orthogonal matrix on its state, and no biases."""
    orthogonal_(cell)
    with torch.no_grad():
        cell.weight_hh.mul_(scale)
        for bias in (cell.bias_ih, cell.bias_hh):
            if bias is not None:
                bias.zero_()
    return cell


def made(verdict: str, seed: int = 0) -> Diagnosis:
    """Of a network that is known to be so."""
    torch.manual_seed(seed)
    cell: Cell[Any]
    if verdict == "healthy":
        cell = LSTM(1, 64)
        chrono_(cell, 100)
    else:
        cell = turned(Elman(1, 64), VERDICTS[verdict])
    model = Echo(cell, 20)
    return diagnose(model, torch.randn(ROWS, 100, 1), model.loss)


def run() -> Iterator[Row]:
    """A horizon beside each lag; a factor for each network that is known to be something."""
    for lag in LAGS:
        model, loss, steps = learned_echo(lag)
        found = diagnose(model, model.draw(torch.Generator().manual_seed(2)), model.loss)
        horizon = found.layers[0].horizon or 0
        yield Row(f"echo of lag {lag}", "memory horizon", horizon, "steps", "the lag", lag)
        yield Row(f"echo of lag {lag}", "loss", loss, f"MSE, {steps} steps", "constant", 1.0)
    for verdict in (*VERDICTS, "healthy"):
        layer = made(verdict).layers[0]
        case = f"made to be {verdict}"
        yield Row(case, "factor a step", layer.factor or 0.0, f"named {layer.verdict}")
