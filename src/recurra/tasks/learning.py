"""The fields that every estimator that learns by gradients has."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from recurra.engine import tiles
from recurra.tasks.search import Choices, Range
from recurra.train import Plan, Recipe, this_part

# Under "the learning" in a help text.
LEARNING = (
    *("learning_rate", "epochs", "patience", "minutes", "checkpoint_minutes", "seed", "quiet"),
    *("optimizer", "schedule", "warmup", "weight_decay", "clip", "clip_by", "accumulate"),
    *("average", "precision"),
)


@dataclass(kw_only=True)
class Learning:
    """How weights are learned; docs/training.md explains each."""

    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = 1e-3
    epochs: Annotated[int, "most passes over the data"] = 30
    patience: Annotated[int, "epochs without a better validation before it stops"] = 5
    minutes: Annotated[float | None, "stop learning after so long"] = None
    checkpoint_minutes: Annotated[float, "between two checkpoints"] = 5.0
    seed: Annotated[int, "of weights, dropout and order"] = 0
    quiet: Annotated[bool, "say nothing while learning"] = False
    optimizer: Annotated[
        Literal["adam", "adamw", "sgd", "nt-asgd"],
        "nt-asgd is SGD, averaged once validation stands still",
    ] = "adam"
    schedule: Annotated[
        Literal["decay", "constant", "cosine", "one-cycle", "plateau"],
        "of the rate; decay holds it for three epochs, then takes .8 of the last",
        Choices(("decay", "cosine")),
    ] = "decay"
    warmup: Annotated[float, "share of the steps in which the rate rises from 0"] = 0.0
    weight_decay: Annotated[float, "of weights; not of biases and norms"] = 0.0
    clip: Annotated[float | None, "bound of the gradient; 0 for none; usual when not given"] = None
    clip_by: Annotated[
        Literal["norm", "value", "adaptive"],
        "what is bounded: the whole gradient, each number, or a unit's against its weights",
    ] = "norm"
    accumulate: Annotated[int, "batches whose gradients make one step"] = 1
    average: Annotated[float | None, "what a running mean of the weights keeps a step"] = None
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        "of products while learning, by autocast; auto: bfloat16 where the processor has tiles",
    ] = "float32"

    def settle(self, data: Any, valid: Any = None) -> dict[str, Any]:
        """What `fit` would find in `data` for fields that are None, without learning.

        Raises:
            RecurraError: what `fit` would raise of the data or of the fields.
        """
        del data, valid
        self.plan()
        return {}

    def plan(self) -> Plan:
        """The fields as the loop takes them.

        Raises:
            OptionError: a field has a value that does not fit.
        """
        precision = self.precision
        if precision == "auto":
            precision = "bfloat16" if tiles() else "float32"
        recipe = Recipe(
            learning_rate=self.learning_rate,
            optimizer=self.optimizer,
            schedule=self.schedule,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            clip=self.clip,
            clip_by=self.clip_by,
            accumulate=self.accumulate,
            average=self.average,
            precision=precision,
        )
        return Plan(
            recipe=recipe,
            epochs=self.epochs,
            patience=self.patience,
            minutes=self.minutes,
            # Of several processes the first tells what all do.
            quiet=self.quiet or this_part().rank > 0,
        )
