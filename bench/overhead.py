"""What the loop of a training takes beyond the bare step: forward, backward, optimizer.

Both run in turn in one process, on networks of equal sizes with the same optimizer: the loop hands
control back whenever it asks for a batch, and there the bare step runs. So whatever the loop does
from batch to batch is counted, the norm of the gradient and its bound included.
"""

import gc
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.rows import Row, wanted
from bench.timing import Budget
from bench.work import SHAPES, Shape
from recurra.cells import LSTM
from recurra.layers import Each, Embedding, Stack
from recurra.train import Lesson, Plan, Truncated, Window, train
from recurra.train.optimizer import make_optimizer

VOCABULARY = 64
# Steps of a block that are counted, and before them steps that are not.
BLOCK, WARM = 30, 5
SIZES = ("S", "M")


class Language(nn.Module):
    """A table, an LSTM and a head."""

    def __init__(self, vocab_size: int, hidden_size: int) -> None:
        super().__init__()
        head = Each(nn.Linear(hidden_size, vocab_size))
        table = Embedding(vocab_size, hidden_size)
        self.stack = Stack([table, LSTM(hidden_size, hidden_size), head])

    def initial_state(self, batch_size: int) -> Any:
        """Of every layer."""
        return self.stack.initial_state(batch_size)

    def forward(
        self, x: Tensor, state: Any, *, reset: Tensor | None = None, checkpoint: int | None = None
    ) -> tuple[Tensor, Any]:
        """Scores for the next token, and the state."""
        return self.stack.sequence(x, state, reset=reset, checkpoint=checkpoint)


def text(tokens: int) -> Any:
    """Noise, the same each time."""
    random = np.random.default_rng(0)
    return random.integers(0, VOCABULARY, tokens).astype(np.uint16)


class Bare:
    """A step as one writes it by hand."""

    def __init__(self, width: int, plan: Plan) -> None:
        self.model = Language(VOCABULARY, width)
        self._optimizer = make_optimizer(self.model, plan.recipe)

    def step(self, window: Window, state: Any) -> None:
        """Forward, backward, optimizer."""
        scores, _ = self.model(window.inputs, state)
        F.cross_entropy(scores.flatten(0, 1), window.targets.flatten()).backward()
        self._optimizer.step()
        self._optimizer.zero_grad()


class Given(Lesson[Window]):
    """A lesson that has its windows, and no state to carry: the loop alone is left."""

    def __init__(self, model: Language, windows: list[Window]) -> None:
        self.model, self._windows, self.steps = model, windows, len(windows)
        self._state = model.initial_state(len(windows[0].inputs))

    def batches(self, epoch: int, begin: int) -> Iterator[Window]:
        return iter(self._windows[begin:])

    def loss(self, batch: Window) -> Tensor:
        scores, _ = self.model(batch.inputs, self._state)
        return F.cross_entropy(scores.flatten(0, 1), batch.targets.flatten())

    def validate(self) -> float:
        return 0.0


class Timed(Lesson[Window]):
    """Another lesson, with a bare step before each of its batches, and the clock read around both.

    Attributes:
        bare, whole: seconds a step.
    """

    def __init__(self, lesson: Lesson[Window], bare: Bare) -> None:
        self._lesson, self._step = lesson, bare
        self.model, self.steps = lesson.model, lesson.steps
        self.bare: list[float] = []
        self.whole: list[float] = []

    def batches(self, epoch: int, begin: int) -> Iterator[Window]:
        clock, windows, state = time.process_time, self._lesson.batches(epoch, begin), None
        each = iter(windows)
        while True:
            begun = clock()
            window = next(each, None)
            read = clock() - begun
            if window is None:
                return
            state = state or self._step.model.initial_state(len(window.inputs))
            begun = clock()
            self._step.step(window, state)
            self.bare.append(clock() - begun)
            begun = clock()
            yield window
            self.whole.append(clock() - begun + read)

    def loss(self, batch: Window) -> Tensor:
        return self._lesson.loss(batch)

    def weight(self, batch: Window) -> float:
        return self._lesson.weight(batch)

    def validate(self) -> float:
        return 0.0


def rows(
    only: str, budget: Budget, shapes: dict[str, Shape] = SHAPES, steps: int = BLOCK
) -> Iterator[Row]:
    """The loop over windows made before, and over windows read from a text, at two sizes.

    Args:
        steps: of a block.
    """
    for letter in SIZES:
        for kind in ("overhead", "overhead of streams"):
            if wanted(f"{kind} {letter}", only):
                yield from _beside(f"{kind} {letter}", kind, shapes[letter], budget, steps)


def _beside(case: str, kind: str, shape: Shape, budget: Budget, steps: int) -> Iterator[Row]:
    """The median over blocks: where a block's memory lies changes a step by more than the loop."""
    torch.manual_seed(0)
    begun, more, alone = time.perf_counter(), [], []
    while len(more) < budget.rounds or time.perf_counter() - begun < budget.seconds:
        timed = _block(kind, shape, steps)
        pairs = zip(timed.whole[WARM:], timed.bare[WARM:], strict=True)
        more.append(median(whole - bare for whole, bare in pairs))
        alone.append(median(timed.bare[WARM:]))
    beyond, step = median(more), median(alone)
    yield Row(case, "beyond the bare step", 1e6 * beyond, "us a step", "bare step", 1e6 * step)
    yield Row(case, "beyond the bare step", 100 * beyond / step, "%")


def _block(kind: str, shape: Shape, steps: int) -> Timed:
    """New networks, and some steps of each in turn."""
    plan = Plan(epochs=1, quiet=True)
    bare, model = Bare(shape.H, plan), Language(VOCABULARY, shape.H)
    tokens = text(shape.B * shape.T * (WARM + steps) + 1)
    lesson: Lesson[Window] = Truncated(model, tokens, streams=shape.B, window=shape.T)
    if kind == "overhead":
        lesson = Given(model, list(lesson.batches(1, 0)))
    timed = Timed(lesson, bare)
    gc.collect()
    train(timed, plan)
    return timed
