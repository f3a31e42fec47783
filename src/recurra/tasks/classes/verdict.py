"""One sentence about a table: who wins."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

MODEL = "model"


class Score(NamedTuple):
    """A figure that answers are compared by.

    Args:
        called: its name for people.
        shown: how many of its digits they see, as `format` takes it.
        best: takes the better of several.
    """

    called: str
    shown: str
    best: Callable[..., Any]


SCORES = {"macro_f1": Score("macro F1", ".3f", max), "rmse": Score("RMSE", ".4g", min)}


def verdict(
    table: Mapping[str, Mapping[str, float]], by: str = "macro_f1", beside: Collection[str] = ()
) -> str:
    """Whether the model beats its best baseline, or loses, or is level with it.

    Args:
        table: figures of the model, under `MODEL`, and of each baseline.
        by: a name in `SCORES`.
        beside: rows that are no baselines, such as a part of the model.
    """
    called, shown, best_of = SCORES[by]
    scores = {name: row[by] for name, row in table.items() if name not in beside}
    mine = scores.pop(MODEL)
    best: str = best_of(scores, key=lambda name: scores[name])
    own, other = format(mine, shown), format(scores[best], shown)
    if own == other:
        return f"the model and the best baseline, {best}, are level: {called} {own}"
    if best_of(mine, scores[best]) == mine:
        return f"the model wins: {called} {own} against {other} of the best baseline, {best}"
    return f"the baseline {best} wins: {called} {other} against the model's {own}"
