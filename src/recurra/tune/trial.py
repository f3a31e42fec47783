"""One trial: draw fields, learn, and stop early where others were better by then."""

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recurra.errors import RecurraError, TerminatedError
from recurra.tasks import Estimator
from recurra.train import Course, Epoch
from recurra.tune.space import Space, variant
from recurra.tune.study import DEFAULT, FIELDS, REASON, TRIED, alone_in

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

# Trials drawn blindly before any is drawn by what was learned; and those that end by themselves
# before any is pruned.
BLIND, UNPRUNED = 6, 4


@dataclass(frozen=True)
class Work:
    """What every trial of a study does.

    Args:
        estimator: its fields, but for those searched, are those of every trial.
        space: what is searched.
        data, valid: as `fit` takes them.
    """

    estimator: Estimator
    space: Space
    data: Any
    valid: Any = None

    def trial(self, fields: dict[str, Any]) -> Estimator:
        """The estimator of a trial."""
        return variant(self.estimator, {**fields, "quiet": True})


class Watch:
    """Reports each epoch of a trial, and says when to stop.

    Args:
        trial: that runs.
        spare: never stop it.
    """

    def __init__(self, trial: "Trial", spare: bool) -> None:
        self._trial, self._spare = trial, spare
        self.best = inf
        self.pruned = False

    def __call__(self, epoch: Epoch) -> bool:
        """Whether to stop."""
        self.best = min(self.best, epoch.valid_loss)
        self._trial.report(epoch.valid_loss, epoch.epoch)
        self.pruned = not self._spare and self._trial.should_prune()
        return self.pruned


def run_trial(study: "Study", work: Work, order: int, path: Path | None = None) -> int:
    """Run one trial; its number.

    Args:
        study: is told.
        work: what to do.
        order: how many trials were begun before; with the estimator's seed it seeds the drawing.
        path: of the study, where other processes run trials of it too.

    Raises:
        KeyboardInterrupt: Ctrl-C came; the trial has failed and does not count.
    """
    from optuna.trial import TrialState

    study.sampler, study.pruner = _sampler(work, order), _pruner(work)
    with alone_in(path):
        trial = study.ask()
    fields = {dimension.name: dimension.draw(trial) for dimension in work.space}
    trial.set_user_attr(FIELDS, fields)
    trial.set_user_attr(TRIED, {d.name: d.found(fields[d.name]) for d in work.space})
    watch = Watch(trial, DEFAULT in trial.user_attrs)
    estimator = work.trial(fields)
    try:
        estimator.fit(work.data, valid=work.valid, course=Course(watch=watch))
    except TerminatedError:
        raise
    except RecurraError as error:
        trial.set_user_attr(REASON, " ".join(str(error).split()))
        study.tell(trial, state=TrialState.FAIL)
        return trial.number
    if estimator.interrupted_:
        study.tell(trial, state=TrialState.FAIL)
        raise KeyboardInterrupt
    if watch.pruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, watch.best)
    return trial.number


def _sampler(work: Work, order: int) -> "BaseSampler":
    """New for each trial, so that one that comes after a resumption repeats none before it."""
    from optuna.samplers import TPESampler

    seed = work.estimator.get_params().get("seed", 0)
    (drawn,) = np.random.SeedSequence([seed, order]).generate_state(1)
    return TPESampler(n_startup_trials=BLIND, multivariate=True, seed=int(drawn))


def _pruner(work: Work) -> "BasePruner":
    """Stops what is worse than the median of the others; not before a fifth of the epochs."""
    from optuna.pruners import MedianPruner

    epochs = work.estimator.get_params().get("epochs", 1)
    # Epochs are counted from 1, and the first is always spared.
    return MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=1 + max(1, epochs // 5))
