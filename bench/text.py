"""Language models on characters: tokens a second of learning and of writing, beside torch.nn.

Both sides read the same windows, carry their states, clip and step the same optimizer.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench import generating
from bench.rows import Row, wanted
from bench.timing import Budget, Call, compare, shown
from recurra.cells import GRU, LSTM
from recurra.models import LanguageNetwork
from recurra.train import Recipe, Truncated
from recurra.train.plan import Precision
from recurra.train.stepper import Stepper

V, E, H, B, T = 66, 256, 512, 32, 64
WINDOWS = 8
OURS = {"lstm": LSTM, "gru": GRU}
TORCH: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU}
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


class Modules(nn.Module):
    """The network of modules of torch: a table, a recurrent layer, a head."""

    def __init__(self, layer: nn.RNNBase, vocab_size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, layer.input_size)
        self.layer, self.head = layer, nn.Linear(layer.hidden_size, vocab_size)

    def initial_state(self, batch_size: int) -> Any:
        """Zeros, rows first."""
        zeros = self.head.weight.new_zeros(batch_size, 1, self.layer.hidden_size)
        return (zeros, zeros) if isinstance(self.layer, nn.LSTM) else (zeros,)

    def forward(
        self, x: Tensor, state: Any, *, reset: Tensor | None = None, checkpoint: int | None = None
    ) -> tuple[Tensor, Any]:
        """Scores for the next token, and the state."""
        parts = tuple(part.transpose(0, 1).contiguous() for part in state)
        lstm = isinstance(self.layer, nn.LSTM)
        y, after = self.layer(self.table(x), parts if lstm else parts[0])
        after = after if lstm else (after,)
        return self.head(y), tuple(part.transpose(0, 1) for part in after)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `layers` say on how many threads and how long."""


def run(args: argparse.Namespace) -> Iterator[Any]:
    """Tokens a second while learning, for each cell and precision; and those of generation."""

    def timed(budget: Budget) -> Iterator[Any]:
        for name in TORCH:
            for precision in PRECISIONS:
                case = f"{name} {H}, {precision}"
                if wanted(case, args.only):
                    yield from beside(case, name, precision, args.threads, budget)
        yield from generating.rows(args)

    yield from shown("text", args.threads, args.quick, timed)


def beside(
    case: str,
    name: str,
    precision: Precision,
    threads: int,
    budget: Budget,
    hidden_size: int = H,
) -> Iterator[Any]:
    """A step of ours beside one of torch's modules; milliseconds, and tokens a second."""
    torch.manual_seed(0)
    ours = LanguageNetwork(V, [OURS[name](E, hidden_size)])
    theirs = Modules(TORCH[name](E, hidden_size, batch_first=True), V)
    recipe = Recipe(precision=precision)
    peer = f"torch nn.{TORCH[name].__name__}"
    calls = [
        _step(Truncated(each, _text(), streams=B, window=T), recipe) for each in (ours, theirs)
    ]
    for row in compare(case, "train", threads, calls[0], {peer: calls[1]}, budget):
        yield row
        speeds = [1e3 * B * T / ms for ms in (row.ours_ms, row.peer_ms)]
        yield Row(case, "training", speeds[0], "tokens/s", peer, speeds[1])


def _text() -> np.ndarray:
    return np.random.default_rng(0).integers(0, V, B * T * WINDOWS + 1).astype(np.uint8)


def _step(lesson: Truncated, recipe: Recipe) -> Call:
    """One step of a training, over the same windows again and again."""
    stepper, windows = Stepper(lesson, recipe), list(lesson.batches(1, 0))
    lesson.model.train()
    done = 0

    def step() -> None:
        nonlocal done
        stepper.step([windows[done % len(windows)]], 1.0)
        done += 1

    return step
