"""What a diagnosis found."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from recurra.train.diagnose.updates import Weight

Verdict = Literal["healthy", "vanishing", "exploding", "unknown"]
# What a state's gradient keeps of itself a step, below and above which training suffers.
VANISHING, EXPLODING = 0.9, 1.02


@dataclass(frozen=True)
class Gate:
    """A gate of a cell, and which of its units never move.

    Args:
        shut: share of the units whose gate is below .05 at nearly all steps of all rows.
        open: share of those above .95.
    """

    name: str
    shut: float
    open: float


@dataclass(frozen=True)
class Layer:
    """One recurrent cell.

    Args:
        name: as the model has it.
        kind: the cell's class.
        rows, steps: looked at.
        factor: what the influence of a state is multiplied with at each step that it is carried;
            None where there are too few steps to say.
        horizon: steps back within which 95 % of the influence on what the layer gives lies; None
            where the loss reads nothing of it.
        gradient: norm of the loss's gradient for the state, step by step.
        carried: norm of the influence on the last state, by steps back, over that at none.
        influence: its share that lies at most so many steps back.
        dead: share of the outputs that are the same in all rows at all steps.
        gradient_norm: of the loss, for the layer's weights.
        update: norm of a step of the optimizer over that of the weights.
    """

    name: str
    kind: str
    rows: int
    steps: int
    factor: float | None
    horizon: int | None
    gradient: Sequence[float]
    carried: Sequence[float]
    influence: Sequence[float] | None
    gates: Sequence[Gate]
    dead: float
    gradient_norm: float
    update: float | None

    @property
    def verdict(self) -> Verdict:
        """What becomes of a gradient on its way back."""
        if self.factor is None:
            return "unknown"
        if self.factor < VANISHING:
            return "vanishing"
        return "exploding" if self.factor > EXPLODING else "healthy"


@dataclass(frozen=True)
class Diagnosis:
    """What one batch says of a model, in words, as JSON and as a picture.

    Args:
        loss: of the batch.
        gradient_norm: of all weights together, before clipping.
        layers: the recurrent ones, from below.
        horizon: steps back within which 95 % of the influence on what the last layer gives lies,
            through all layers; None where they do not stand one behind the other.
        weights: every learned parameter.
        optimizer: whose step the updates are.
    """

    loss: float
    gradient_norm: float
    layers: Sequence[Layer]
    horizon: int | None
    weights: Sequence[Weight]
    optimizer: str

    @property
    def verdict(self) -> Verdict:
        """The worst of the layers'."""
        found = {layer.verdict for layer in self.layers}
        order: tuple[Verdict, ...] = ("exploding", "vanishing", "healthy")
        return next((each for each in order if each in found), "unknown")

    def words(self) -> list[str]:
        """Lines for people: what was found, and what may help."""
        from recurra.train.diagnose.words import advice, told

        return [*told(self), *(f"advice: {line}" for line in advice(self))]

    def to_json(self) -> str:
        """Everything as one JSON object; null stands for what is not known or not finite."""
        from recurra.train.diagnose.words import advice

        layers = [{"verdict": each.verdict, **asdict(each)} for each in self.layers]
        weights = [{**asdict(each), "ratio": each.ratio} for each in self.weights]
        more = {"verdict": self.verdict, "layers": layers, "weights": weights}
        return json.dumps(_finite({**asdict(self), **more, "advice": advice(self)}))

    def plot(self, path: str | Path) -> None:
        """Draw the gradients over time, the horizon, the gates and the updates.

        Args:
            path: its ending says the format: .png, .svg or .pdf.

        Raises:
            OptionError: it has another ending.
            StorageError: the picture could not be written.
        """
        from recurra.train.diagnose.plot import draw

        draw(self, Path(path))


def _finite(value: Any) -> Any:
    """The same with None for every number that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
