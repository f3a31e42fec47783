"""Sequences made to order, each a question that some recurrences can answer and others cannot.

A task draws batches: x, the targets, and which of them count. `baseline` is the loss, or the
accuracy, of the best answer that looks at nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class Batch(NamedTuple):
    """x (B, T) ids or (B, T, F); target (B, T) classes or (B,) numbers; counts (B, T) bool.

    Without `counts` the last step of each row is asked.
    """

    x: Tensor
    target: Tensor
    counts: Tensor | None = None


Draw: TypeAlias = Callable[[int, torch.Generator], Batch]


@dataclass(frozen=True)
class Task:
    """A question.

    Args:
        draw: a batch of so many rows; the second argument is the generator of the draw.
        inputs: ids below it, where `ids`, or features.
        outputs: classes; 1 for a number.
        metric: "accuracy", "loss" or "MSE"; accuracy is better when it is higher.
        baseline: of the constant answer.
        trial: what tells when to stop, where that is not as `draw`.
        exam: what is asked in the end, where that is not as `draw`.
    """

    name: str
    draw: Draw
    ids: bool
    inputs: int
    outputs: int
    metric: str
    baseline: float
    trial: Draw | None = None
    exam: Draw | None = None

    def valid(self, random: torch.Generator) -> Batch:
        """256 rows; the test has no say in when to stop."""
        return (self.trial or self.draw)(256, random)

    def test(self, random: torch.Generator) -> Batch:
        """1,024 rows, or those that there are."""
        return (self.exam or self.draw)(1024, random)


def adding(T: int = 200) -> Task:
    """The sum of two numbers that are marked, one in each half; a mean squared error.

    Source: Hochreiter and Schmidhuber, 1997, section 5.4; numbers U(0, 1), as Le et al., 2015,
    arXiv:1504.00941.
    """

    def draw(B: int, random: torch.Generator) -> Batch:
        values = torch.rand(B, T, generator=random)
        first = torch.randint(T // 2, (B,), generator=random)
        second = torch.randint(T // 2, T, (B,), generator=random)
        rows = torch.arange(B)
        marks = torch.zeros(B, T)
        marks[rows, first] = marks[rows, second] = 1
        return Batch(torch.stack([values, marks], 2), values[rows, first] + values[rows, second])

    return Task(f"adding, T {T}", draw, False, 2, 1, "MSE", 1 / 6)


def copying(delay: int = 100, symbols: int = 10) -> Task:
    """Ten symbols of eight kinds, said again after a delay and a mark; the mean loss of all steps.

    Source: Arjovsky et al., 2016, arXiv:1511.06464, section 5.1.
    """
    T = delay + 2 * symbols

    def draw(B: int, random: torch.Generator) -> Batch:
        said = torch.randint(1, 9, (B, symbols), generator=random)
        x, target = torch.zeros(B, T, dtype=torch.int64), torch.zeros(B, T, dtype=torch.int64)
        x[:, :symbols], x[:, -symbols - 1] = said, 9
        target[:, -symbols:] = said
        return Batch(x, target, torch.ones(B, T, dtype=torch.bool))

    baseline = symbols * math.log(8) / T
    return Task(
        f"copying, delay {delay}",
        draw,
        True,
        10,
        9,
        "loss",
        baseline,
    )


def selective_copying(length: int = 256, symbols: int = 16) -> Task:
    """Sixteen symbols of fourteen kinds, strewn among blanks, said again in their order.

    Source: Gu and Dao, 2023, arXiv:2312.00752, section 4.1.1, there with 4,096 steps.
    """
    kinds, T = 14, length + symbols

    def draw(B: int, random: torch.Generator) -> Batch:
        said = torch.randint(1, kinds + 1, (B, symbols), generator=random)
        places = torch.rand(B, length, generator=random).argsort(1)[:, :symbols].sort(1).values
        x = torch.zeros(B, T, dtype=torch.int64)
        x.scatter_(1, places, said)
        x[:, length:] = kinds + 1
        target, counts = torch.zeros_like(x), torch.zeros(B, T, dtype=torch.bool)
        target[:, length:], counts[:, length:] = said - 1, True
        return Batch(x, target, counts)

    name = f"selective copying, length {length}"
    return Task(name, draw, True, kinds + 2, kinds, "accuracy", 1 / kinds)


def recall(pairs: int = 8, T: int = 64, vocab: int = 256) -> Task:
    """Keys and values, one behind the other; then the keys again, at random places among others.

    Source: Arora et al., 2023, arXiv:2312.04927, section 3 (multi-query associative recall).
    """
    half = vocab // 2

    def draw(B: int, random: torch.Generator) -> Batch:
        keys = torch.rand(B, half, generator=random).argsort(1)[:, :pairs]
        values = torch.randint(half, vocab, (B, pairs), generator=random)
        x = torch.randint(half, vocab, (B, T), generator=random)
        x[:, : 2 * pairs] = torch.stack([keys, values], 2).flatten(1)
        places = torch.rand(B, T - 2 * pairs, generator=random).argsort(1)[:, :pairs] + 2 * pairs
        x.scatter_(1, places, keys)
        target, counts = torch.zeros_like(x), torch.zeros(B, T, dtype=torch.bool)
        target.scatter_(1, places, values - half)
        counts.scatter_(1, places, True)
        return Batch(x, target, counts)

    name = f"associative recall, {pairs} pairs"
    return Task(name, draw, True, vocab, half, "accuracy", 1 / half)


def parity(longest: int = 40, tested: int = 256) -> Task:
    """Whether the ones so far are odd in number: learned on short rows, asked at a long one's end.

    Source: Grazzi et al., 2024, arXiv:2411.12537, section 5.1, there asked at the end alone.
    """

    def bits(B: int, T: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        x = torch.randint(2, (B, T), generator=random)
        return x, x.cumsum(1) % 2

    def draw(B: int, random: torch.Generator) -> Batch:
        T = int(torch.randint(3, longest + 1, (), generator=random))
        x, target = bits(B, T, random)
        return Batch(x, target, torch.ones(B, T, dtype=torch.bool))

    def asked(T: int) -> Draw:
        def at_the_end(B: int, random: torch.Generator) -> Batch:
            x, target = bits(B, T, random)
            return Batch(x, target[:, -1])

        return at_the_end

    name, trial, exam = f"parity at {tested}", asked(longest), asked(tested)
    return Task(name, draw, True, 2, 2, "accuracy", 0.5, trial, exam)


def digits(data: Path, rows: bool) -> Task:
    """Handwritten digits with their pixels in one random order: 28 steps of 28, or 196 of one.

    The 196 are means over two by two pixels.

    Source: Le et al., 2015, arXiv:1504.00941, section 4.2, there with 784 steps.
    """
    with np.load(data / "long_range" / "mnist" / "mnist.npz") as file:
        parts = {key: torch.from_numpy(file[key]) for key in file.files}
    order = torch.randperm(784 if rows else 196, generator=torch.Generator().manual_seed(0))

    def steps(images: Tensor) -> Tensor:
        pixels = images.view(-1, 1, 28, 28).float() / 255
        pixels = pixels if rows else F.avg_pool2d(pixels, 2)
        return pixels.flatten(1)[:, order].view(len(images), *((28, 28) if rows else (196, 1)))

    x_train, y_train = steps(parts["x_train"]), parts["y_train"].long()
    whole = Batch(steps(parts["x_test"]), parts["y_test"].long())

    def draw(B: int, random: torch.Generator) -> Batch:
        chosen = torch.randint(len(x_train), (B,), generator=random)
        return Batch(x_train[chosen], y_train[chosen])

    most = (whole.target == y_train.bincount().argmax()).float().mean().item()
    name = f"permuted digits, {28 if rows else 196} steps"
    return Task(name, draw, False, 28 if rows else 1, 10, "accuracy", most, exam=lambda *_: whole)
