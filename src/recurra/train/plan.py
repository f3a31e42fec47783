"""How long to learn, and how weights follow gradients."""

from dataclasses import dataclass, field
from typing import Literal

from recurra.errors import OptionError

Optimizer = Literal["adam", "adamw", "sgd", "nt-asgd"]
Schedule = Literal["decay", "constant", "cosine", "one-cycle", "plateau"]
Clip = Literal["norm", "value", "adaptive"]
Precision = Literal["float32", "bfloat16"]

# What each kind of clipping bounds when nothing is said: the norm of the whole gradient, each of
# its numbers, and the norm of a unit's gradient over that of its weights.
LIMITS: dict[Clip, float] = {"norm": 1.0, "value": 1.0, "adaptive": 0.01}


@dataclass(frozen=True)
class Recipe:
    """How weights follow gradients.

    Args:
        learning_rate: the optimizer's step size, per step, before the schedule.
        optimizer: "nt-asgd" is SGD whose weights are averaged once validation stands still.
        schedule: "decay" holds the rate for three epochs and then takes .8 of the last in each.
        warmup: share of all steps in which the rate rises from 0.
        weight_decay: taken from weights at each step, as a share of the rate; neither from biases
            nor from norms.
        clip: what the gradient is bounded by; by `clip_by`, a usual number when None; 0 clips none.
        clip_by: what is bounded.
        accumulate: batches whose gradients make one step.
        average: share that a running mean of the weights keeps at each step; None for no mean.
        precision: what products are computed in, under autocast.
    """

    learning_rate: float = 1e-3
    optimizer: Optimizer = "adam"
    schedule: Schedule = "decay"
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip: float | None = None
    clip_by: Clip = "norm"
    accumulate: int = 1
    average: float | None = None
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < 100:
            raise OptionError(f"--learning-rate is {self.learning_rate}; it lies in 0 … 100")
        if not 0 <= self.warmup < 1:
            raise OptionError(f"--warmup is {self.warmup}; it is a share of the steps, 0 … 1")
        if not 0 <= self.weight_decay < 10:
            raise OptionError(f"--weight-decay is {self.weight_decay}; it lies in 0 … 10")
        if self.clip is not None and not self.clip >= 0:
            raise OptionError(f"--clip is {self.clip}; it is at least 0, and 0 clips nothing")
        if self.accumulate < 1:
            raise OptionError(f"--accumulate is {self.accumulate}; it is at least 1")
        if self.average is not None and not 0 < self.average < 1:
            raise OptionError(f"--average is {self.average}; it lies between 0 and 1")

    @property
    def limit(self) -> float:
        """What the gradient is bounded by; 0 for nothing."""
        return LIMITS[self.clip_by] if self.clip is None else self.clip


@dataclass(frozen=True)
class Plan:
    """How long to learn, and how.

    Args:
        recipe: how weights follow gradients.
        epochs: most passes over the batches.
        patience: epochs without a lower validation loss after which training stops.
        minutes: stop after so long, or None.
        quiet: show no progress.
    """

    recipe: Recipe = field(default_factory=Recipe)
    epochs: int = 30
    patience: int = 5
    minutes: float | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise OptionError(f"--epochs is {self.epochs}; it is at least 1")
        if self.patience < 1:
            raise OptionError(f"--patience is {self.patience}; it is at least 1")
        if self.minutes is not None and not self.minutes > 0:
            raise OptionError(f"--minutes is {self.minutes}; it is above 0")
