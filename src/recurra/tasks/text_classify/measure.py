"""The table of the model beside its baselines, on the same held-out texts."""

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.classes.metrics import calibration_error, metrics
from recurra.tasks.classes.temperature import log_softmax
from recurra.tasks.classes.verdict import MODEL, verdict
from recurra.tasks.estimator import Measures
from recurra.tasks.text_classify.corpus import Corpus
from recurra.tasks.text_classify.learned import Learned

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
NETWORK = "network"


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
        NETWORK: metrics(np.exp(log_softmax(network / calibration.network)), labels),
        "naive bayes": metrics(np.exp(log_softmax(counts / calibration.counts)), labels),
        "majority": metrics(prior, labels),
    }
    said = verdict(table, beside={NETWORK})
    own = table.pop(MODEL)
    own["ece_uncalibrated"] = calibration_error(np.exp(log_softmax(network)), labels)
    return Measures(own, table, about, said), probabilities
