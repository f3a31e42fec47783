"""What each family of cells can and cannot do: cell × task, each learned in minutes.

A run ends when a draw that it has not learned from is solved, or when its minutes are over; then
it answers the test. One recipe serves all: Adam, after a warm-up falling to 0 over the minutes that
a run may take, the gradient clipped.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.families import FAMILIES, Family
from bench.made import Batch, Task, adding, copying, digits, parity, recall, selective_copying
from bench.rows import Row, cpu, wanted
from recurra.layers import Embedding, Stack

TASKS: dict[str, Callable[[Path], Task]] = {
    "parity": lambda data: parity(),
    "recall": lambda data: recall(),
    "copying": lambda data: copying(),
    "selective": lambda data: selective_copying(),
    "adding": lambda data: adding(),
    "rows": lambda data: digits(data, True),
    "pixels": lambda data: digits(data, False),
}
# Most a cell and task, where nothing is said.
MINUTES = 5.0
BATCH, WARM, CLIP, LOOK, TWICE = 64, 50, 1.0, 50, 2
# A validation draw that is this good is solved; the losses are shares of the baseline.
SOLVED = {"accuracy": 0.999, "loss": 0.002, "MSE": 0.002}


@dataclass(frozen=True)
class Outcome:
    """What a run reached on the test, in the task's metric."""

    value: float
    minutes: float
    steps: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long a run may take."""
    parser.add_argument(
        "--minutes",
        type=float,
        help="capability: most a cell and task (5); language models: in the place of their own",
    )
    parser.add_argument("--seed", type=int, default=0, help="capability: of weights and draws")


def run(args: argparse.Namespace) -> Iterator[Row]:
    """A row for every family and task that is wanted."""
    data = args.data.parent
    print(f"capability: {cpu()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for key, make in TASKS.items():
        for family in FAMILIES:
            case = f"{key}, {family.name}"
            if not wanted(case, args.only):
                continue
            if key in ("rows", "pixels") and not (data / "long_range").exists():
                print(f"{case}: {data / 'long_range'} is not there; --data FOLDER says where")
                continue
            task = make(data)
            outcome = learn(task, family, args.minutes or MINUTES, args.seed)
            row = Row(case, task.metric, outcome.value, task.name, "constant", task.baseline)
            row.show()
            yield row
            yield Row(case, "minutes", outcome.minutes, f"min, {outcome.steps} steps")


def learn(task: Task, family: Family, minutes: float, seed: int) -> Outcome:
    """Teach a network of the family, and ask it the test."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed + 1)
    model = Network(task, family)
    optimizer = torch.optim.Adam(model.parameters(), lr=family.rate)
    valid = task.valid(torch.Generator().manual_seed(seed + 2))
    begun, step, good = time.monotonic(), 0, 0
    while time.monotonic() - begun < 60 * minutes:
        step += 1
        spent = (time.monotonic() - begun) / (60 * minutes)
        for group in optimizer.param_groups:
            group["lr"] = family.rate * min(1.0, step / WARM) * max(0.0, 1 - spent)
        loss, _ = model.judge(task.draw(BATCH, random))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        if step % LOOK == 0:
            good = good + 1 if solved(task, evaluate(model, task, valid)) else 0
            if good == TWICE:
                break
    seconds = time.monotonic() - begun
    test = task.test(torch.Generator().manual_seed(seed + 3))
    return Outcome(evaluate(model, task, test), seconds / 60, step)


def solved(task: Task, value: float) -> bool:
    """Whether a value on a validation draw is as good as needed."""
    if task.metric == "accuracy":
        return value >= SOLVED["accuracy"]
    return value <= SOLVED[task.metric] * task.baseline


@torch.no_grad()
def evaluate(model: "Network", task: Task, batch: Batch, rows: int = 256) -> float:
    """The metric over a batch, in pieces."""
    model.eval()
    total, weight = 0.0, 0.0
    for begin in range(0, len(batch.x), rows):
        piece = Batch(*(None if each is None else each[begin : begin + rows] for each in batch))
        loss, right = model.judge(piece)
        count = len(piece.target) if piece.counts is None else int(piece.counts.sum())
        total += count * (right if task.metric == "accuracy" else loss).item()
        weight += count
    model.train()
    return total / weight


class Network(nn.Module):
    """Ids or features in, the family's cells, scores out.

    Args:
        task: what goes in and out.
        family: the cells between.
    """

    def __init__(self, task: Task, family: Family) -> None:
        super().__init__()
        width = family.width
        self.into: nn.Module = (
            Embedding(task.inputs, width) if task.ids else nn.Linear(task.inputs, width)
        )
        self.cells: Stack = Stack(family.layers(width))
        self.head = nn.Linear(self.cells.output_size, task.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (B, T, classes)."""
        into: Any = self.into
        x = F.embedding(x, into.weight) if isinstance(into, Embedding) else into(x)
        y, _ = self.cells.sequence(x)
        scores: Tensor = self.head(y)
        return scores

    def judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss, and the share that is right; of a number that is the loss as well."""
        scores = self(batch.x)
        if batch.counts is not None:
            scores, target = scores[batch.counts], batch.target[batch.counts]
        else:
            scores, target = scores[:, -1], batch.target
        if target.is_floating_point():
            loss = F.mse_loss(scores[:, 0], target)
            return loss, loss
        return F.cross_entropy(scores, target), (scores.argmax(1) == target).float().mean()
