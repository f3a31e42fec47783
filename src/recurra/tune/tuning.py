"""Tuning from its first trial to the best estimator."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

import pandas as pd

from recurra.errors import OptionError, TerminatedError
from recurra.tasks import Estimator
from recurra.train import this_part
from recurra.tune.about import about
from recurra.tune.jobs import run_here, run_jobs, run_on_ray, to_letter
from recurra.tune.outcome import (
    STOPPED,
    Attempt,
    attempt,
    attempts,
    finished,
    importances,
    verdict,
    winner,
)
from recurra.tune.progress import Report
from recurra.tune.space import make_space, variant
from recurra.tune.study import open_study
from recurra.tune.trial import Work

if TYPE_CHECKING:
    from optuna import Study

# Trials when neither their number nor a time is given.
TRIALS = 20
PICTURES = ("trials.png", "importances.png")


@dataclass(frozen=True)
class Tuned:
    """What came of a tuning.

    Args:
        best: the estimator with the best trial's fields; it has learned if that was asked for.
        trials: all that were begun, in their order.
        importances: each field's share in how much trials differ; empty for too few of them.
        interrupted: whether Ctrl-C ended it early.
    """

    best: Estimator
    trials: Sequence[Attempt]
    importances: dict[str, float]
    interrupted: bool

    @property
    def winner(self) -> Attempt:
        """The trial with the lowest validation loss."""
        return winner(self.trials)

    @property
    def verdict(self) -> str:
        """One sentence that says who wins, the best trial or the default."""
        return verdict(self.trials)

    @property
    def table(self) -> pd.DataFrame:
        """A row a trial: how it ended, its value, the fields that were tried."""
        rows = [
            {
                "trial": trial.number,
                "state": trial.state,
                "valid_loss": trial.value,
                "default": trial.default,
                "seconds": trial.seconds,
                **trial.tried,
            }
            for trial in self.trials
        ]
        return pd.DataFrame(rows).set_index("trial")

    def plot(self, folder: str | Path) -> list[Path]:
        """Draw the trials, and the importances if there are any, into a folder; the files."""
        from recurra.tune.plots import draw_importances, draw_trials

        trials, shares = (Path(folder) / name for name in PICTURES)
        draw_trials(trials, self.trials)
        if not self.importances:
            return [trials]
        draw_importances(shares, self.importances)
        return [trials, shares]


def tune(
    estimator: Estimator,
    data: Any,
    *,
    valid: Any = None,
    trials: int | None = None,
    minutes: float | None = None,
    jobs: int = 1,
    ray: int | None = None,
    study: str | Path | None = None,
    search: Sequence[str] | None = None,
    refit: bool = True,
) -> Tuned:
    """Try fields that were left at their defaults, and keep what validates best.

    The first trial is the estimator as it is, so the best is no worse. Trials are compared by the
    lowest validation loss; what `fit` tests on is looked at by none of them.

    Args:
        estimator: brings the fields that are not searched.
        data, valid: as its `fit` takes them.
        trials: how many there are in the end, those found in the study included; 20 when neither
            this nor `minutes` is given.
        minutes: after which no trial begins.
        jobs: processes that run trials at once, each on one thread.
        ray: workers of a Ray cluster that run them instead; they reach the study and the data.
        study: an SQLite file that keeps all trials; the same call goes on with those missing.
        search: fields to search; when None, those that can be and have their default.
        refit: let the best one learn again; otherwise it only has its fields.

    Raises:
        OptionError: an option does not fit, or the study is about something else.
        MissingPackageError: Optuna is not installed.
        TrainingError: no trial learned to the end.
        TerminatedError: SIGTERM came; the study keeps all trials that had ended.
    """
    path = None if study is None else Path(study)
    _check(trials, minutes, jobs, ray, path)
    work = Work(estimator, make_space(estimator, data, valid, search), data, valid)
    if (jobs > 1 or ray is not None) and path is not None:
        to_letter(path, work)
    limit = trials if trials is not None or minutes is not None else TRIALS
    same = {} if path is None else about(work)
    with _ended_by_sigterm(), open_study(path, same, work.space) as opened:
        interrupted = _run(opened, work, Limits(limit, minutes), jobs, ray, path)
        found = attempts(opened)
        if interrupted and not finished(found):
            raise KeyboardInterrupt
        shares = importances(opened, _seed(estimator))
    best = variant(estimator, dict(winner(found).fields))
    tuned = Tuned(best, found, shares, interrupted)
    if refit and not interrupted:
        best.fit(data, valid=valid)
    return tuned


class Limits:
    """When no trial begins any more.

    Args:
        trials: that count, in the end.
        minutes: from now.
    """

    def __init__(self, trials: int | None, minutes: float | None) -> None:
        self.trials = trials
        self._end = None if minutes is None else monotonic() + 60 * minutes

    def orders(self, begun: int, count: int) -> Iterator[int]:
        """A number for each trial to begin, asked for when it can.

        Args:
            begun: trials so far.
            count: those of them that count.
        """
        while self.trials is None or count < self.trials:
            if self._end is not None and monotonic() >= self._end:
                return
            yield begun
            begun, count = begun + 1, count + 1


def _run(
    study: "Study", work: Work, limits: Limits, jobs: int, ray: int | None, path: Path | None
) -> bool:
    """Run the trials that are missing; whether Ctrl-C ended them."""
    before = attempts(study)
    count = sum(trial.state != STOPPED for trial in before)
    missing = None if limits.trials is None else max(0, limits.trials - count)
    with Report(missing, bool(work.estimator.get_params().get("quiet"))) as report:
        report.say("search", ", ".join(dimension.name for dimension in work.space))
        if path is not None:
            report.say("study", f"{path}: {count} trials" + _to_go(missing))
        report.begin(before)

        def told(number: int) -> None:
            report.trial(attempt(study.get_trials(deepcopy=False)[number]))

        orders = limits.orders(len(before), count)
        try:
            if ray is not None and path is not None:
                run_on_ray(path, work, orders, told, ray)
            elif jobs == 1 or path is None:
                run_here(study, work, orders, told)
            else:
                run_jobs(path, work, orders, told, min(jobs, missing or jobs))
        except KeyboardInterrupt:
            return True
    return False


def _to_go(missing: int | None) -> str:
    return "" if missing is None else f", {missing} to go"


def _check(
    trials: int | None, minutes: float | None, jobs: int, ray: int | None, path: Path | None
) -> None:
    if trials is not None and trials < 1:
        raise OptionError(f"--trials is {trials}; it is at least 1")
    if minutes is not None and not minutes > 0:
        raise OptionError(f"--minutes is {minutes}; it is above 0")
    if jobs < 1:
        raise OptionError(f"--jobs is {jobs}; it is at least 1")
    if jobs > 1 and ray is not None:
        raise OptionError(f"--jobs is {jobs}, and --ray {ray}; give one of them")
    if this_part().of > 1:
        raise OptionError("tuning: torchrun began several processes; use --jobs or --ray instead")
    for flag, number in (("jobs", jobs), ("ray", ray or 1)):
        if number > 1 and path is None:
            raise OptionError(f"--{flag} is {number}; several need a file to share, --study FILE")


def _seed(estimator: Estimator) -> int:
    return int(estimator.get_params().get("seed", 0))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an error, so that what was begun is ended."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TerminatedError("tuning: ended by SIGTERM; the same command goes on")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
