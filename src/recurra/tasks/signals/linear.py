"""Linear maps from summaries to classes or values, their strength chosen on the validation part.

    classes    p = softmax(W s + b), with strength ||W||² / 2 beside the mean log loss
    values     y = w s + b, with strength ||w||² beside the mean squared error

Source: Hoerl and Kennard, "Ridge Regression", 1970.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from recurra.data.signals import Examples, Sequences
from recurra.layers.ridge import Ridge
from recurra.tasks.classes.temperature import log_softmax
from recurra.tasks.signals.summaries import Standard, of_sequences, of_steps

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
# Rows that are learned from, and rounds of the optimizer.
MOST_ROWS, ROUNDS = 20_000, 60


@dataclass(frozen=True)
class Linear:
    """One linear map of what sums up a sequence, or of what is known at a step.

    Args:
        standard: of the summaries.
        weight: (D + 1, K) of classes or (D + 1, 1) of values; the last row is added.
        bounds: the least and the most that is answered, as among the training targets; None for
            classes.
        per_step: whether it answers each step.
        strength: of the penalty that was chosen.
    """

    name: ClassVar[str] = "linear on summaries"
    standard: Standard
    weight: Floats
    bounds: tuple[float, float] | None
    per_step: bool
    strength: float

    def answer(self, sequences: Sequences) -> Floats:
        """Probabilities, (B, K), or values, (B,); of all N steps where it answers each."""
        rows = self.standard.of(_summaries(sequences, self.per_step))
        scores = rows @ self.weight[:-1] + self.weight[-1]
        if self.bounds is None:
            return np.exp(log_softmax(scores))
        found: Floats = np.clip(scores[:, 0], *self.bounds)
        return found


def fit_classes(
    training: Examples, labels: Indices, validation: Examples, held: Indices, classes: int
) -> Linear:
    """Multinomial logistic regression.

    Args:
        labels: class numbers of the training part, of its sequences or of its steps.
        held: those of the validation part.
        classes: how many there are, K.
    """

    def loss(scores: Floats) -> float:
        return float(-log_softmax(scores)[np.arange(len(held)), held].mean())

    def learned(rows: Floats, chosen: Indices, strength: float, begun: Floats) -> Floats:
        return _logistic(rows, labels[chosen], classes, strength, begun)

    return _fit(training, validation, classes, learned, loss, None)


def fit_values(training: Examples, targets: Floats, validation: Examples, held: Floats) -> Linear:
    """Ridge regression; answers stay between the least and the most training target."""
    bounds = (float(targets.min()), float(targets.max()))

    def loss(scores: Floats) -> float:
        return float(((np.clip(scores[:, 0], *bounds) - held) ** 2).mean())

    def learned(rows: Floats, chosen: Indices, strength: float, begun: Floats) -> Floats:
        del begun
        return _ridge(rows, targets[chosen], strength)

    return _fit(training, validation, 1, learned, loss, bounds)


def _fit(
    training: Examples,
    validation: Examples,
    outputs: int,
    learned: Callable[[Floats, Indices, float, Floats], Floats],
    loss: Callable[[Floats], float],
    bounds: tuple[float, float] | None,
) -> Linear:
    per_step = training.per_step
    rows = _summaries(training.sequences, per_step)
    chosen = np.arange(0, len(rows), max(1, -(-len(rows) // MOST_ROWS)))
    standard = Standard.fit(rows[chosen])
    rows = standard.of(rows[chosen])
    held = standard.of(_summaries(validation.sequences, per_step))
    found: list[tuple[float, Linear]] = []
    weight = np.zeros((rows.shape[1] + 1, outputs))
    # From the strongest on, each begins where the one before ended.
    for strength in reversed(STRENGTHS):
        weight = learned(rows, chosen, strength, weight)
        linear = Linear(standard, weight, bounds, per_step, strength)
        found.append((loss(held @ weight[:-1] + weight[-1]), linear))
    return min(found, key=lambda one: one[0])[1]


def _summaries(sequences: Sequences, per_step: bool) -> Floats:
    return of_steps(sequences) if per_step else of_sequences(sequences)


def _logistic(
    rows: Floats, labels: Indices, classes: int, strength: float, begun: Floats
) -> Floats:
    x, y = torch.from_numpy(rows), torch.from_numpy(labels)
    weight = torch.from_numpy(begun.copy()).requires_grad_()
    optimizer = torch.optim.LBFGS([weight], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scores = x @ weight[:-1] + weight[-1]
        loss = F.cross_entropy(scores, y) + strength / 2 * (weight[:-1] ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    found: Floats = weight.detach().numpy()
    return found


def _ridge(rows: Floats, targets: Floats, strength: float) -> Floats:
    solver = Ridge(rows.shape[1], 1, penalty=strength * len(rows))
    solver.add(torch.from_numpy(rows)[None], torch.from_numpy(targets.copy())[None, :, None])
    layer = solver.solve()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    found: Floats = np.concatenate([weight.T, bias[None]])
    return found
