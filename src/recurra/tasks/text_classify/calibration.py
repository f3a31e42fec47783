"""Probabilities that mean what they say: one answer of two, flattened until it fits.

    s_k = (1 - share) log softmax(network / T_n)_k + share log softmax(counts / T_c)_k
    p   = softmax(s / T)

Each temperature makes the log loss on the validation part smallest, the share does it among
twentieths; `classes/temperature.py` says how.

Source: Wolpert, "Stacked generalization", 1992, with one weight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.classes.temperature import log_loss, log_softmax, softened, temperature

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """How the scores of the network and of the counts become probabilities.

    Args:
        network: temperature of the network's scores.
        counts: temperature of the counts' scores.
        share: of the counts, 0 … 1.
        whole: temperature of the two together.
    """

    network: float
    counts: float
    share: float
    whole: float

    @classmethod
    def fit(cls, network: Floats, counts: Floats, labels: Indices) -> "Calibration":
        """From scores of texts that neither learned from; each (N, K)."""
        targets = softened(labels, network.shape[1])
        first = cls(temperature(network, targets), temperature(counts, targets), 0.0, 1.0)

        def blended(share: float) -> Floats:
            return cls(first.network, first.counts, share, 1.0).logarithms(network, counts)

        share = min(np.arange(21) / 20, key=lambda share: log_loss(blended(share), targets))
        whole = temperature(blended(share), targets)
        return cls(first.network, first.counts, float(share), whole)

    def logarithms(self, network: Floats, counts: Floats) -> Floats:
        """Logarithms of probabilities, (N, K)."""
        learned = log_softmax(network / self.network)
        counted = log_softmax(counts / self.counts)
        return log_softmax(((1 - self.share) * learned + self.share * counted) / self.whole)
