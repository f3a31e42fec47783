"""The step size over the course of a training, as a factor on the recipe's rate.

Each is a function of what was done and measured so far, so there is no state to keep.

Sources: Loshchilov and Hutter, "SGDR", 2017 (cosine); Smith and Topin, "Super-Convergence", 2018
(one cycle: up from a 25th, then down to nearly 0).
"""

import math
from collections.abc import Sequence

from recurra.train.plan import Recipe

# Epochs at the full rate, and what is left of it after each further one.
HOLD, DECAY = 3, 0.8
# One cycle: where it begins, what share of it rises, where it ends.
BEGIN, RISE, END = 1 / 25, 0.3, 1e-4
# A plateau is so many epochs without a better validation; then the rate is halved.
PLATEAU, FALL = 2, 0.5


def factor(recipe: Recipe, progress: float, epoch: int, losses: Sequence[float]) -> float:
    """What the rate is multiplied with.

    Args:
        recipe: names the schedule and its warm-up.
        progress: share of the training that is done, 0 … 1.
        epoch: that runs, counted from 1.
        losses: validation losses of the epochs before.
    """
    if recipe.schedule == "one-cycle":
        return _one_cycle(progress, recipe.warmup or RISE)
    if progress < recipe.warmup:
        return progress / recipe.warmup
    if recipe.schedule == "cosine":
        return _cosine((progress - recipe.warmup) / (1 - recipe.warmup))
    if recipe.schedule == "decay":
        return DECAY ** max(0, epoch - HOLD)
    if recipe.schedule == "plateau":
        return FALL ** _plateaus(losses)
    return 1.0


def moves(recipe: Recipe) -> bool:
    """Whether the factor changes within an epoch."""
    return recipe.warmup > 0 or recipe.schedule in ("cosine", "one-cycle")


def _cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * min(1.0, progress))) / 2


def _one_cycle(progress: float, rise: float) -> float:
    if progress < rise:
        return BEGIN + (1 - BEGIN) * (1 - _cosine(progress / rise))
    return END + (1 - END) * _cosine((progress - rise) / (1 - rise))


def _plateaus(losses: Sequence[float]) -> int:
    best, waited, found = math.inf, 0, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == PLATEAU:
            found, waited = found + 1, 0
    return found
