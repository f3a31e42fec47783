"""The model beside its baselines, on the same sentences.

    accuracy    the share of words with the right tag
    precision   the share of entities found that are there, whole and of the right kind
    recall      the share of entities there that are found so
    f1          2 precision recall / (precision + recall)

Entities are counted over all sentences together, as conlleval does; `spans.py` says what one is.
"""

from collections.abc import Sequence

from recurra.data import Sentence
from recurra.tasks.estimator import Measures
from recurra.tasks.tag.baselines import MostFrequent
from recurra.tasks.tag.spans import spans

Tags = Sequence[Sequence[str]]
MODEL = "model"
ALWAYS, BY_WORD = "one tag for all", "each word's most frequent tag"


def compare(
    sentences: Sequence[Sentence],
    answers: Tags,
    baseline: MostFrequent,
    *,
    entities: bool,
    about: str,
) -> Measures:
    """Measures of the model and of its baselines.

    Args:
        sentences: with their true tags.
        answers: the model's tags.
        baseline: fitted on what the model learned from.
        entities: whether tags are of entities.
        about: which sentences.
    """
    given = {
        MODEL: answers,
        BY_WORD: [baseline.predict(each.words) for each in sentences],
        ALWAYS: [[baseline.other] * len(each.words) for each in sentences],
    }
    true = [each.tags for each in sentences]
    table = {name: scores(true, tags, entities=entities) for name, tags in given.items()}
    metrics, words = table.pop(MODEL), sum(map(len, true))
    said = f"{about}: {len(sentences):,} sentences of {words:,} words"
    return Measures(metrics, table, said, verdict(metrics, table))


def scores(true: Tags, given: Tags, *, entities: bool) -> dict[str, float]:
    """Accuracy over words and, of entities, F1, precision and recall."""
    words = sum(map(len, true))
    right = sum(
        a == b
        for one, other in zip(true, given, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    found = {"accuracy": right / words}
    return found | (_of_entities(true, given) if entities else {})


def _of_entities(true: Tags, given: Tags) -> dict[str, float]:
    there = found = both = 0
    for one, other in zip(true, given, strict=True):
        a, b = set(spans(one)), set(spans(other))
        there, found, both = there + len(a), found + len(b), both + len(a & b)
    precision, recall = both / max(found, 1), both / max(there, 1)
    f1 = 2 * both / max(found + there, 1)
    return {"f1": f1, "precision": precision, "recall": recall}


def verdict(metrics: dict[str, float], baselines: dict[str, dict[str, float]]) -> str:
    """One sentence: whether the model beats its best baseline, or loses, or is level with it."""
    metric, word = ("f1", "F1") if "f1" in metrics else ("accuracy", "accuracy")
    best = max(baselines, key=lambda name: baselines[name][metric])
    mine, other = metrics[metric], baselines[best][metric]
    if f"{mine:.3f}" == f"{other:.3f}":
        return f"the model and the best baseline, {best}, are level: {word} {mine:.3f}"
    if mine > other:
        return f"the model wins: {word} {mine:.3f} against {other:.3f} of the best baseline, {best}"
    return f"the baseline {best} wins: {word} {other:.3f} against the model's {mine:.3f}"
