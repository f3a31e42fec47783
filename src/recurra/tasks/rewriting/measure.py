"""The table of the model beside its baselines, on the same pairs."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from recurra.tasks.estimator import Measures
from recurra.tasks.rewriting.scores import bleu, character_errors, chrf, exact

Texts = Sequence[str]
MODEL = "model"
COPY, MEMORY = "the source itself", "the most similar example"


class Scoring(NamedTuple):
    """How answers of one kind are judged.

    Args:
        by: the score that validation and the verdict go by; more is better.
        called: that in a sentence.
        score: of answers and references, by name.
        signature: how it was made, so that others can make the same.
        features: by which examples are similar.
    """

    by: str
    called: str
    score: Callable[[Texts, Texts], dict[str, float]]
    signature: Callable[[Texts, Texts], str]
    features: str


def _of_words(answers: Texts, references: Texts) -> dict[str, float]:
    return {"bleu": bleu(answers, references).value, "chrf": chrf(answers, references).value}


def _of_characters(answers: Texts, references: Texts) -> dict[str, float]:
    return {
        "exact": exact(answers, references),
        "character_errors": character_errors(answers, references),
    }


# By the kind of tokens.
SCORING = {
    "bpe": Scoring(
        "bleu", "BLEU", _of_words, lambda a, r: f"; BLEU {bleu(a, r).signature}", "words"
    ),
    "characters": Scoring("exact", "exact %", _of_characters, lambda a, r: "", "characters"),
}


def compare(
    kind: str,
    answers: Mapping[str, Texts],
    references: Texts,
    *,
    nats: float,
    about: str,
) -> Measures:
    """Measures of the model and of its baselines.

    Args:
        kind: of the tokens.
        answers: of the model and of each baseline.
        references: what was to be said.
        nats: of the model a token.
        about: which pairs.
    """
    scoring = SCORING[kind]
    # Baselines give no probabilities.
    table = {name: {**scoring.score(said, references), "nats": math.nan}
             for name, said in answers.items()}  # fmt: skip
    own = {**table.pop(MODEL), "nats": nats}
    said = f"{about}: {len(references):,} pairs{scoring.signature(answers[MODEL], references)}"
    return Measures(own, table, said, verdict(own, table, scoring))


def verdict(
    metrics: dict[str, float], baselines: dict[str, dict[str, float]], scoring: Scoring
) -> str:
    """One sentence: whether the model beats its best baseline, or loses, or is level with it."""
    by, called = scoring.by, scoring.called
    best = max(baselines, key=lambda name: baselines[name][by])
    mine, other = f"{metrics[by]:.1f}", f"{baselines[best][by]:.1f}"
    if mine == other:
        return f"the model and the best baseline, {best}, are level: {called} {mine}"
    if metrics[by] > baselines[best][by]:
        return f"the model wins: {called} {mine} against {other} of the best baseline, {best}"
    return f"the baseline {best} wins: {called} {other} against the model's {mine}"
