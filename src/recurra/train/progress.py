"""A bar with the time left on a terminal, one line an epoch elsewhere, nothing when quiet."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from recurra.train.history import Epoch


class Report:
    """Shows how training goes, on standard error.

    Args:
        epochs: most epochs there can be.
        steps: optimizer steps an epoch takes.
        minutes: time after which training stops, or None.
        quiet: show nothing.
    """

    def __init__(self, epochs: int, steps: int, minutes: float | None, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._epochs = epochs
        self._seconds = None if minutes is None else 60 * minutes
        self._begun = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("at most"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(f"epoch 1/{epochs}", total=epochs * steps)

    def __enter__(self) -> "Report":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self) -> None:
        """One optimizer step is done; with a time limit, the bar measures time instead."""
        self._bar.advance(self._task)
        if self._seconds is not None:
            done = (time.monotonic() - self._begun) / self._seconds
            total = self._bar.tasks[0].total or 1.0
            self._bar.update(self._task, completed=max(done * total, self._bar.tasks[0].completed))

    def epoch(self, epoch: Epoch, best: Epoch) -> None:
        """An epoch is done and validated."""
        text = f"epoch {epoch.epoch}/{self._epochs}  validation {epoch.valid_loss:.4f}"
        if epoch is not best:
            text += f" (best {best.valid_loss:.4f} in epoch {best.epoch})"
        self._bar.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(f"{text}  {epoch.seconds:.0f} s", highlight=False, soft_wrap=True)
