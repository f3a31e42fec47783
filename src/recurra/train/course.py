"""What goes along with a training: its checkpoints, and who watches it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recurra.errors import OptionError
from recurra.train.history import Epoch


def _nothing() -> None:
    pass


def _goes_on(_epoch: Epoch) -> bool:
    return False


@dataclass(frozen=True)
class Course:
    """How a training is kept and watched.

    Args:
        folder: run folder in which checkpoints are kept; None keeps none.
        about: what else a checkpoint should say, as JSON values: the task, its fields.
        same: what must be the same to go on, as JSON values: a hash of the data.
        minutes: between two checkpoints.
        resume: go on from the checkpoint in `folder`.
        overwrite: `folder` may be there, and is replaced in the end; otherwise it must be free.
        watch: is given each epoch as it ends, and says whether to stop.
        kept: is called when a checkpoint has been written, in every process that trains.
        command: what a user types to go on, told after an interruption.
    """

    folder: Path | str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    same: Mapping[str, Any] = field(default_factory=dict)
    minutes: float = 5.0
    resume: bool = False
    overwrite: bool = False
    watch: Callable[[Epoch], bool] = _goes_on
    kept: Callable[[], None] = _nothing
    command: str = ""

    def __post_init__(self) -> None:
        if not self.minutes >= 0:
            raise OptionError(f"--checkpoint-minutes is {self.minutes}; it is at least 0")
