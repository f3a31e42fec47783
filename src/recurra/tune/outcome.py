"""What came of a study: its trials, who wins, and which fields mattered."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recurra.errors import TrainingError
from recurra.tune.study import DEFAULT, FIELDS, REASON, TRIED

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
# Killed, interrupted, or running still: made again by the next tuning.
STOPPED = "stopped"
# Fewer finished trials than this say nothing about fields.
FEWEST = 5


@dataclass(frozen=True)
class Attempt:
    """A trial.

    Args:
        number: counted from 0.
        state: "finished", "pruned" (others were better by then), "failed" or "stopped".
        value: the lowest validation loss; of a pruned trial the last; None where there is none.
        fields: that were searched, as the estimator takes them.
        tried: the same, with what `fit` finds in the place of None.
        default: whether the fields are those that the estimator brought.
        seconds: it took, if it ended.
        reason: why it failed.
    """

    number: int
    state: str
    value: float | None
    fields: Mapping[str, Any]
    tried: Mapping[str, Any]
    default: bool
    seconds: float | None
    reason: str


def attempts(study: "Study") -> list[Attempt]:
    """The trials that were begun."""
    trials = study.get_trials(deepcopy=False)
    return [attempt(trial) for trial in trials if trial.state.name != "WAITING"]


def attempt(trial: "FrozenTrial") -> Attempt:
    """A trial as Optuna keeps it."""
    reason = trial.user_attrs.get(REASON, "")
    state = STATES.get(trial.state.name, STOPPED)
    return Attempt(
        number=trial.number,
        state=STOPPED if state == "failed" and not reason else state,
        value=trial.value if state in ("finished", "pruned") else None,
        fields=trial.user_attrs.get(FIELDS, {}),
        tried=trial.user_attrs.get(TRIED, {}),
        default=DEFAULT in trial.user_attrs,
        seconds=None if trial.duration is None else trial.duration.total_seconds(),
        reason=reason,
    )


def finished(trials: Sequence[Attempt]) -> list[Attempt]:
    """Those that learned to the end, the best first; of equals, the earlier."""
    ended = [trial for trial in trials if trial.state == "finished"]
    return sorted(ended, key=value)


def value(trial: Attempt) -> float:
    """Its validation loss; infinite where there is none."""
    return math.inf if trial.value is None else trial.value


def winner(trials: Sequence[Attempt]) -> Attempt:
    """The best trial.

    Raises:
        TrainingError: none learned to the end; the message says why the first failed.
    """
    ended = finished(trials)
    if ended:
        return ended[0]
    reasons = [trial.reason for trial in trials if trial.reason]
    why = f"; the first: {reasons[0]}" if reasons else ""
    raise TrainingError(f"tuning: none of {len(trials)} trials learned to the end{why}")


def verdict(trials: Sequence[Attempt]) -> str:
    """One sentence that says who wins, the best trial or the default."""
    best = winner(trials)
    default = next((trial for trial in finished(trials) if trial.default), None)
    if default is None:
        return f"trial {best.number} is the best; the default did not learn to the end"
    if best.number == default.number:
        return "nothing tried beats the default"
    share = 1 - value(best) / value(default) if value(default) > 0 else 0.0
    return (
        f"trial {best.number} beats the default: its validation loss is {value(best):.4f} against "
        f"{value(default):.4f}, {share:.1%} less"
    )


def importances(study: "Study", seed: int) -> dict[str, float]:
    """Each field's share in how much trials differ, the largest first; empty for too few trials.

    Source: Hutter et al., "An Efficient Approach for Assessing Hyperparameter Importance", 2014.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(ended) < FEWEST or len({trial.value for trial in ended}) == 1:
        return {}
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    return {name: float(share) for name, share in found.items()}


def written(value: Any) -> str:
    """A value, short."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
