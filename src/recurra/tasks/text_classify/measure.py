"""The table of the model beside its baselines, on the same held-out texts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.data.table import listed
from recurra.errors import DataError
from recurra.tasks.estimator import Measures
from recurra.tasks.text_classify.calibration import log_softmax
from recurra.tasks.text_classify.corpus import Corpus
from recurra.tasks.text_classify.learned import Learned
from recurra.tasks.text_classify.metrics import calibration_error, metrics

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
MODEL = "model"


def measured(
    learned: Learned, corpus: Corpus, rows: Indices, labels: Indices, about: str
) -> tuple[Measures, Floats]:
    """The figures of some texts, and the model's probabilities of them, (N, K).

    Args:
        learned: the fitted model.
        corpus: holds the texts.
        rows: their numbers in it.
        labels: (N,) the true class of each of them.
        about: what they are, in a few words.
    """
    network, counts = learned.scores(corpus, [corpus.texts[row] for row in rows])
    calibration = learned.calibration
    probabilities = np.exp(calibration.logarithms(network, counts))
    prior = np.tile(np.exp(learned.counts.prior), (len(rows), 1))
    table = {
        MODEL: metrics(probabilities, labels),
        "network": metrics(np.exp(log_softmax(network / calibration.network)), labels),
        "naive bayes": metrics(np.exp(log_softmax(counts / calibration.counts)), labels),
        "majority": metrics(prior, labels),
    }
    said = verdict(table)
    own = table.pop(MODEL)
    own["ece_uncalibrated"] = calibration_error(np.exp(log_softmax(network)), labels)
    return Measures(own, table, about, said), probabilities


def numbers_of(labels: Sequence[str], classes: Sequence[str], name: str) -> Indices:
    """The number of each label.

    Raises:
        DataError: a label was never learned.
    """
    numbers = {label: number for number, label in enumerate(classes)}
    if new := sorted(set(labels) - set(numbers)):
        raise DataError(
            f'{name}: the label "{new[0]}" was never learned; known are {listed(classes)}'
        )
    return np.array([numbers[label] for label in labels], np.int64)


def verdict(table: dict[str, dict[str, float]]) -> str:
    """One sentence: whether the model beats its best baseline, or loses, or is level with it."""
    scores = {name: row["macro_f1"] for name, row in table.items() if name != "network"}
    mine = scores.pop(MODEL)
    best = max(scores, key=lambda name: scores[name])
    if f"{mine:.3f}" == f"{scores[best]:.3f}":
        return f"the model and the best baseline, {best}, are level: macro F1 {mine:.3f}"
    if mine > scores[best]:
        return (
            f"the model wins: macro F1 {mine:.3f} against {scores[best]:.3f} of the best baseline, "
            f"{best}"
        )
    return f"the baseline {best} wins: macro F1 {scores[best]:.3f} against the model's {mine:.3f}"
