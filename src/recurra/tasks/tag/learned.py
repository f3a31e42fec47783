"""All that a fitted tagger knows, and how it answers from that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recurra.data import Sentence
from recurra.models import WordTagger
from recurra.tasks.encoder import Encoder
from recurra.tasks.estimator import Measures
from recurra.tasks.tag.baselines import MostFrequent
from recurra.tasks.tag.coding import code
from recurra.tasks.tag.measure import compare
from recurra.tasks.tag.network import answer
from recurra.tasks.tag.setting import Setting
from recurra.tasks.tag.spans import Rules, is_entities
from recurra.tasks.tag.vocabulary import Vocabulary


@dataclass(frozen=True)
class Learned:
    """What `fit` found and learned.

    Args:
        setting: shapes the network.
        vocabulary: the words, letters and tags that it knows.
        rules: which tags never follow which; None where everything may.
        network: in evaluation mode.
        encoder: what its encoder is made of and reads, where it has one.
        baseline: the most frequent tag of each word.
        examples: sentences that were held out, to show.
    """

    setting: Setting
    vocabulary: Vocabulary
    rules: Rules | None
    network: WordTagger
    encoder: Encoder | None
    baseline: MostFrequent
    examples: tuple[Sentence, ...]

    @property
    def entities(self) -> bool:
        """Whether tags are of entities."""
        return is_entities(self.vocabulary.tags)

    def tag(self, sentences: Sequence[Sentence]) -> pd.DataFrame:
        """A row a word: `sentence`, `word`, `tag`, `confidence`."""
        coded = code(self.vocabulary, sentences, tagged=False, encoder=self.encoder)
        numbers, sure = answer(self.network, coded)
        tags = np.array(self.vocabulary.tags, object)
        lengths = [len(each.words) for each in sentences]
        columns = {
            "sentence": np.repeat(np.arange(len(sentences)), lengths),
            "word": np.array([word for each in sentences for word in each.words], object),
            "tag": tags[numbers],
            "confidence": sure,
        }
        return pd.DataFrame(columns)

    def tags(self, sentences: Sequence[Sentence]) -> list[list[str]]:
        """The tags of every sentence."""
        given = iter(self.tag(sentences)["tag"])
        return [[next(given) for _ in each.words] for each in sentences]

    def measure(self, sentences: Sequence[Sentence], about: str) -> Measures:
        """The model beside its baselines on sentences with tags."""
        answers = self.tags(sentences)
        return compare(sentences, answers, self.baseline, entities=self.entities, about=about)
