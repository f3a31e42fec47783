"""A line a trial, and on a terminal a bar with the time left."""

from types import TracebackType

from rich.console import Console

from recurra.train import progress_bar
from recurra.tune.outcome import Attempt, written


class Report:
    """Shows how a tuning goes, on standard error.

    Args:
        trials: that are to run, if that is known.
        quiet: show nothing.
    """

    def __init__(self, trials: int | None, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._best: Attempt | None = None
        self._bar = progress_bar(self._console)
        self._task = self._bar.add_task("tuning", total=trials)

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

    def say(self, what: str, fact: str) -> None:
        """One fact."""
        self._console.print(f"{what:<9} {fact}", highlight=False, soft_wrap=True, markup=False)

    def begin(self, before: list[Attempt]) -> None:
        """These trials were made before."""
        for attempt in before:
            self._best = _better(attempt, self._best)

    def trial(self, attempt: Attempt) -> None:
        """A trial has ended."""
        self._best = _better(attempt, self._best)
        value = "–" if attempt.value is None else f"{attempt.value:.4f}"
        best = f"best {self._best.value:.4f} ({self._best.number})" if self._best else "best –"
        self.say("trial", f"{attempt.number:>4} {value:>9}  {best}  {_what(attempt)}")
        self._bar.update(self._task, advance=1)


def _what(attempt: Attempt) -> str:
    """How a trial ended, if not by itself, and what it tried."""
    if attempt.reason:
        return f"{attempt.state}: {attempt.reason}"
    tried = ", ".join(f"{name} {written(value)}" for name, value in attempt.tried.items())
    parts = [attempt.state] * (attempt.state != "finished") + ["the default"] * attempt.default
    return "; ".join([*parts, tried])


def _better(attempt: Attempt, best: Attempt | None) -> Attempt | None:
    if attempt.state != "finished" or attempt.value is None:
        return best
    return attempt if best is None or attempt.value < (best.value or 0.0) else best
