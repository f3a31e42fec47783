"""What happened in each epoch, and why training ended."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import NoReturn


@dataclass(frozen=True)
class Epoch:
    """One pass over the training windows.

    Args:
        epoch: counted from 1.
        steps: optimizer steps taken so far, over all epochs.
        seconds: since training began.
        train_loss: mean over the epoch's batches, in the loss's own unit.
        valid_loss: after the epoch, on the validation part.
        learning_rate: the optimizer's step size at the end of this epoch, per step.
        gradient_norm: largest norm before clipping in this epoch.
    """

    epoch: int
    steps: int
    seconds: float
    train_loss: float
    valid_loss: float
    learning_rate: float
    gradient_norm: float


@dataclass
class History:
    """The epochs of a training and the word that ended it.

    Args:
        ended: "epochs" (all done), "patience" (validation no longer fell), "minutes" (time is
            up), "watched" (who watched it had seen enough) or "interrupted" (Ctrl-C).
    """

    epochs: list[Epoch] = field(default_factory=list)
    ended: str = "epochs"

    @property
    def may_go_on(self) -> bool:
        """Whether it was cut short, so that its checkpoint is worth keeping."""
        return self.ended in ("interrupted", "minutes")

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return min(self.epochs, key=lambda epoch: epoch.valid_loss)

    def lines(self) -> Iterator[str]:
        """One JSON object a line, as `history.jsonl` holds them."""
        for epoch in self.epochs:
            yield json.dumps(asdict(epoch)) + "\n"

    @classmethod
    def from_lines(cls, lines: Iterable[str], ended: str) -> "History":
        """Read what `lines` wrote.

        Raises:
            ValueError, TypeError, RecursionError: a line is no JSON object with exactly an epoch's
                fields, or there is none.
        """
        epochs = [_epoch(line) for line in lines]
        if not epochs:
            raise ValueError("no epoch at all")
        return cls(epochs, ended)


def _epoch(line: str) -> Epoch:
    found = json.loads(line, parse_constant=refuse_constant)
    epoch = Epoch(**found)
    for part in fields(Epoch):
        value = found[part.name]
        if type(value) is not part.type:
            raise TypeError(f"{part.name} is {value!r}")
    return epoch


def refuse_constant(name: str) -> NoReturn:
    """For `json.loads`, which by itself takes NaN and Infinity for numbers.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is no JSON number")
