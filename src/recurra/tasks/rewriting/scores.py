"""How near answers come to what was to be said.

    bleu                of a corpus: words as sacrebleu's 13a cuts them, capitals told apart
    chrf                F2 of runs of up to six characters
    exact               % of answers that are what was to be said, blanks at the ends apart
    character_errors    % of characters: those that would have to be put in, taken out or exchanged,
                        of those that were to be said

Source: Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002;
13a and the signature: Post, "A Call for Clarity in Reporting BLEU Scores", 2018, arXiv:1804.08771;
Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from recurra.errors import MissingPackageError


class Score(NamedTuple):
    """A score of 0 … 100, and how it was made, so that others can make the same."""

    value: float
    signature: str


def bleu(answers: Sequence[str], references: Sequence[str]) -> Score:
    """BLEU of all answers together; one reference each.

    Raises:
        MissingPackageError: sacrebleu is not installed.
    """
    return _score(_sacrebleu().BLEU(), answers, references)


def chrf(answers: Sequence[str], references: Sequence[str]) -> Score:
    """chrF of all answers together; one reference each.

    Raises:
        MissingPackageError: sacrebleu is not installed.
    """
    return _score(_sacrebleu().CHRF(), answers, references)


def exact(answers: Sequence[str], references: Sequence[str]) -> float:
    """% of answers that are their reference; 0 where there are none."""
    same = [a.strip() == r.strip() for a, r in zip(answers, references, strict=True)]
    return 100 * sum(same) / max(1, len(same))


def character_errors(answers: Sequence[str], references: Sequence[str]) -> float:
    """% of the characters of all references; more than 100 where answers are much too long."""
    wrong = sum(distance(a, r) for a, r in zip(answers, references, strict=True))
    return 100 * wrong / max(1, sum(map(len, references)))


def distance(one: str, other: str) -> int:
    """The fewest characters put in, taken out or exchanged that make one text the other."""
    letters, t = np.array(list(other)), np.arange(len(other) + 1)
    row = t
    for letter in one:
        above = np.minimum(row[1:] + 1, row[:-1] + (letters != letter))
        best = np.append(row[0] + 1, above)
        # Putting in k characters behind any place costs k.
        row = np.minimum.accumulate(best - t) + t
    return int(row[-1])


def _score(metric: Any, answers: Sequence[str], references: Sequence[str]) -> Score:
    if len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers and {len(references)} references")
    if not answers:
        return Score(0.0, "")
    found = metric.corpus_score(list(answers), [list(references)])
    return Score(float(found.score), str(metric.get_signature()))


def _sacrebleu() -> Any:
    if find_spec("sacrebleu") is None:
        raise MissingPackageError("BLEU needs sacrebleu; pip install 'recurra[text]'")
    from sacrebleu import metrics

    return metrics
