"""A bar with the time left on a terminal, one line an epoch elsewhere, nothing when quiet."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from recurra.train.history import Epoch

# Seconds between two pictures of the bar.
REFRESH = 0.1


def progress_bar(console: Console, before_time: str = "") -> Progress:
    """A bar with the time left; it shows on a terminal alone, and is gone in the end.

    Args:
        before_time: a word between the bar and the time.
    """
    words = [TextColumn(before_time)] if before_time else []
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *words,
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


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
        self._begun = self._shown = time.monotonic()
        self._done = 0
        self._bar = progress_bar(self._console, "at most")
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

    def begin(self, done: int) -> None:
        """So many batches were done before."""
        self._done = done
        self._bar.update(self._task, completed=done)

    def step(self, batches: int = 1) -> None:
        """So many more are done; with a time limit, the bar measures time instead."""
        self._done += batches
        if self._bar.disable:
            return
        now = time.monotonic()
        if now - self._shown < REFRESH:
            return
        self._shown = now
        if self._seconds is None:
            self._bar.update(self._task, completed=self._done)
            return
        total = self._bar.tasks[0].total or 1.0
        share = (now - self._begun) / self._seconds
        self._bar.update(self._task, completed=max(share * total, self._bar.tasks[0].completed))

    def say(self, text: str) -> None:
        """Something happened that a user should know."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def epoch(self, epoch: Epoch, best: Epoch) -> None:
        """An epoch is done and validated."""
        text = f"epoch {epoch.epoch}/{self._epochs}  validation {epoch.valid_loss:.4f}"
        if epoch is not best:
            text += f" (best {best.valid_loss:.4f} in epoch {best.epoch})"
        self._bar.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(f"{text}  {epoch.seconds:.0f} s", highlight=False, soft_wrap=True)
