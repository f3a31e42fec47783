"""Sentences through the network: how it learns from them and answers them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import buckets
from recurra.models import Words, WordTagger
from recurra.tasks.encoder import Begun
from recurra.tasks.tag.coding import Coded, Indices
from recurra.tasks.tag.setting import Setting
from recurra.tasks.tag.spans import Rules
from recurra.tasks.tag.vocabulary import Vocabulary
from recurra.train import Course, History, Lesson, Plan, one_thread, this_part, train, unfrozen

Floats = NDArray[np.float32]

ANSWER_ROWS, ANSWER_WORDS = 64, 8192


class Batch(NamedTuple):
    """What the network is given, what it should have said, and of how many words that counts."""

    inputs: Words
    tags: Tensor  # (B, T)
    counted: int


class SentenceLesson(Lesson[Batch]):
    """Every sentence once an epoch, neighbours in length together.

    The loss is -log p of the true tags, a word. The model, which is built from the seed too, learns
    in place; the caller's random state is left as it was.

    Args:
        setting: shapes the network.
        vocabulary: what it knows.
        rules: which tags never follow which.
        training: sentences to learn from.
        validation: sentences to validate on.
        batch_size: sentences a batch.
        seed: of the weights, of dropout and of the order.
        begun: what the network's encoder begins with; its layers wake one by one.
    """

    model: WordTagger

    def __init__(
        self,
        setting: Setting,
        vocabulary: Vocabulary,
        rules: Rules | None,
        training: Coded,
        validation: Coded,
        batch_size: int,
        seed: int,
        begun: Begun | None = None,
    ) -> None:
        self._setting, self._vocabulary, self._rules = setting, vocabulary, rules
        self._begun = begun
        self._training, self._validation = training, validation
        self.batch_size, self._seed = batch_size, seed
        self._part = this_part()
        self.steps = len(self._drawn(1))

    def teach(self, plan: Plan, course: Course | None = None) -> tuple[WordTagger, History]:
        """Build the network and teach it; its weights are those of the best validated epoch."""
        with torch.random.fork_rng(devices=[]), one_thread():
            model = self.build()
            history = train(self, plan, course)
        return model, history

    def build(self) -> WordTagger:
        """The network as it begins; draws from torch's random state, which it seeds."""
        torch.manual_seed(self._seed)
        encoder = None if self._begun is None else self._begun.encoder
        self.model = self._setting.build(self._vocabulary, self._rules, encoder)
        if self._begun is not None and self.model.encoder is not None:
            self.model.encoder.load_state_dict(self._begun.weights)
        return self.model

    def batches(self, epoch: int, begin: int) -> Iterator[Batch]:
        for rows in self._drawn(epoch)[begin:]:
            yield self._of_this_part(rows)

    def loss(self, batch: Batch) -> Tensor:
        scores = self.model(batch.inputs)
        return self.model.loss(scores, batch.tags, batch.inputs.lengths)

    def weight(self, batch: Batch) -> float:
        return float(batch.counted)

    def pace(self, epoch: int) -> Mapping[str, float]:
        encoder = self.model.encoder
        return {} if encoder is None else unfrozen(["", *encoder.layers("encoder")], epoch)

    def validate(self) -> float:
        total, words = 0.0, 0
        with torch.no_grad():
            for rows in _parts(self._validation.lengths):
                batch = _batch(self._validation, rows)
                total += batch.counted * float(self.loss(batch))
                words += batch.counted
        return total / words

    def _drawn(self, epoch: int) -> list[Indices]:
        lengths = self._training.lengths
        return buckets(lengths, batch_size=self.batch_size, seed=self._seed, epoch=epoch)

    def _of_this_part(self, rows: Indices) -> Batch:
        """The sentences of a batch that this process learns from."""
        rank, of = self._part
        if rank < len(rows):
            return _batch(self._training, rows[rank::of])
        return _batch(self._training, rows[:1])._replace(counted=0)


def answer(model: WordTagger, coded: Coded) -> tuple[Indices, Floats]:
    """The most likely tags (N,), and the probability of each.

    Args:
        model: in evaluation mode.
        coded: sentences.
    """
    tags = np.zeros(int(coded.offsets[-1]), np.int64)
    sure = np.zeros(len(tags), np.float32)
    with torch.no_grad(), one_thread():
        for rows in _parts(coded.lengths):
            words, _ = coded.batch(rows)
            found, confidence = model.best(model(words), words.lengths)
            true = np.arange(found.shape[1]) < coded.lengths[rows][:, None]
            at = (coded.offsets[rows][:, None] + np.arange(found.shape[1]))[true]
            tags[at], sure[at] = found.numpy()[true], confidence.numpy()[true]
    return tags, sure


def _batch(coded: Coded, rows: Indices) -> Batch:
    words, tags = coded.batch(rows)
    if tags is None:
        tags = torch.zeros_like(words.words)
    return Batch(words, tags, int(words.lengths.sum()))


def _parts(lengths: Indices) -> Iterator[Indices]:
    """Rows with words, neighbours in length together, as many as memory bears."""
    order = np.argsort(lengths, kind="stable")[::-1]
    order = order[lengths[order] > 0]
    begin = 0
    while begin < len(order):
        rows = min(ANSWER_ROWS, max(1, ANSWER_WORDS // int(lengths[order[begin]])))
        yield order[begin : begin + rows]
        begin += rows
