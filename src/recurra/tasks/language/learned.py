"""All that a fitted language model knows, and how it judges a text by that."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data import Vocabulary
from recurra.models import LanguageNetwork
from recurra.tasks.language.scoring import STEPS, nats_of
from recurra.tasks.language.setting import Setting
from recurra.train import Tokens

Floats = NDArray[np.float32]
# Tokens of the training part that are kept, for baselines.
KEPT = 1 << 20


@dataclass(frozen=True)
class Learned:
    """What `fit` found and learned.

    Args:
        setting: shapes the network.
        vocabulary: what a token is.
        network: in evaluation mode.
        separated: whether a separator ended each document.
        tail: (N,) the last tokens learned from, at most `KEPT`; baselines count them.
    """

    setting: Setting
    vocabulary: Vocabulary
    network: LanguageNetwork
    separated: bool
    tail: NDArray[np.int32]

    @property
    def start(self) -> int:
        """The token that stands before a text: a separator, or else the end of a line."""
        newline = self.vocabulary.newline
        return self.vocabulary.separator if self.separated or newline is None else newline

    @property
    def separator(self) -> int | None:
        """The token that ends a document; None where the training text was a single one."""
        return self.vocabulary.separator if self.separated else None

    def nats(self, ids: Tokens, steps: int = STEPS) -> Iterator[Floats]:
        """-log p of each token of a text, `steps` of them at once."""
        return nats_of(self.network, ids, self.start, self.separator, steps)
