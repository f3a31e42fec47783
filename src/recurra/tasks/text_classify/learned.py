"""All that a fitted text classifier knows, and how it answers from that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from recurra.tasks.text_classify.because import because
from recurra.tasks.text_classify.calibration import Calibration
from recurra.tasks.text_classify.corpus import Corpus, Reader
from recurra.tasks.text_classify.naive_bayes import NaiveBayes
from recurra.tasks.text_classify.network import answer
from recurra.tasks.text_classify.setting import Setting

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """What `fit` found and learned.

    Args:
        setting: shapes the network.
        network: in evaluation mode.
        reader: makes numbers of texts.
        classes: (K,) the labels, in the order of the network's scores.
        counts: naive Bayes over words and pairs.
        calibration: makes probabilities of both scores.
        text: the column of texts; None where lists were learned from.
        label: the column of labels.
        shown: a few texts that were held out, to answer when nothing is asked.
        confusion: (K, K) texts of the test part by class and answer.
    """

    setting: Setting
    network: nn.Module
    reader: Reader
    classes: tuple[str, ...]
    counts: NaiveBayes
    calibration: Calibration
    text: str | None
    label: str | None
    shown: tuple[str, ...]
    confusion: Indices

    def scores(self, corpus: Corpus, texts: Sequence[Indices]) -> tuple[Floats, Floats]:
        """Of the network and of the counts; each (N, K)."""
        network = answer(self.network, corpus, texts, self.setting)
        return network, self.counts.scores([corpus.numbers[text] for text in texts])

    def logarithms(self, corpus: Corpus, texts: Sequence[Indices]) -> Floats:
        """log p of each class, (N, K)."""
        return self.calibration.logarithms(*self.scores(corpus, texts))

    def frame(self, texts: Sequence[str]) -> pd.DataFrame:
        """Each text with its label, how sure that is, why, and the probability of each class."""
        corpus = self.reader.read(texts)
        logarithms = self.logarithms(corpus, corpus.texts)
        probabilities = np.exp(logarithms)
        said = probabilities.argmax(axis=1)
        reasons = because(corpus, logarithms, lambda other: self.logarithms(corpus, other))
        return pd.DataFrame(
            {
                "text": list(texts),
                "label": [self.classes[place] for place in said],
                "confidence": probabilities[np.arange(len(said)), said],
                "because": reasons,
                **{f"p_{name}": probabilities[:, k] for k, name in enumerate(self.classes)},
            }
        )
