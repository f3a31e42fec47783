"""Texts through the network: how it learns from them and answers them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recurra.data import buckets
from recurra.models import PooledClassifier, PretrainedClassifier, Spelt
from recurra.tasks.encoder import Begun
from recurra.tasks.text_classify.corpus import Corpus
from recurra.tasks.text_classify.setting import Setting
from recurra.train import Course, History, Lesson, Plan, one_thread, this_part, train, unfrozen

Network = PooledClassifier | PretrainedClassifier
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
# Rows that are sorted by length together, as batches; and words of a batch that is answered.
POOLED = 32
ANSWER_ROWS, ANSWER_WORDS = 256, 16_384


class Batch(NamedTuple):
    """What the network is given, what it should have said, and how much each text counts."""

    texts: Spelt
    target: Tensor  # (B,)
    weight: Tensor  # (B,)


@dataclass(frozen=True)
class Examples:
    """What is learned from and validated on.

    Args:
        corpus: all texts.
        labels: (N,) their classes.
        training: numbers of texts to learn from.
        validation: numbers of texts to validate on.
        class_weights: (K,) how much a text of each class counts.
    """

    corpus: Corpus
    labels: Indices
    training: Indices
    validation: Indices
    class_weights: Floats


class TextLesson(Lesson[Batch]):
    """The batches of every epoch: each training text once, neighbours in length together.

    The loss is the mean log loss in nats, by the weights of the classes. The model, which is built
    from the seed, learns in place; the caller's random state is left as it was.

    Args:
        setting: shapes the network.
        examples: what it learns from.
        batch_size: texts a batch.
        smoothing: share of a target that all classes have alike.
        seed: of the weights, of dropout and of the order.
        begun: what the network's encoder begins with; its layers wake one by one.
    """

    def __init__(
        self,
        setting: Setting,
        examples: Examples,
        batch_size: int,
        smoothing: float,
        seed: int,
        begun: Begun | None = None,
    ) -> None:
        self._setting, self._examples, self._smoothing, self._seed = (
            setting,
            examples,
            smoothing,
            seed,
        )
        self.batch_size, self._begun = batch_size, begun
        self._part = this_part()
        self._lengths = examples.corpus.lengths[examples.training]
        self.steps = len(self._rows(0))

    def teach(self, plan: Plan, course: Course | None = None) -> tuple[Network, History]:
        """Build the network and teach it; its weights are those of the best validated epoch."""
        with torch.random.fork_rng(devices=[]), one_thread():
            model = self.build()
            history = train(self, plan, course)
        return model, history

    def build(self) -> Network:
        """The network as it begins; draws from torch's random state, which it seeds."""
        torch.manual_seed(self._seed)
        model = self._setting.build(None if self._begun is None else self._begun.encoder)
        if self._begun is not None and isinstance(model, PretrainedClassifier):
            model.encoder.load_state_dict(self._begun.weights)
        self.model = model
        return model

    def batches(self, epoch: int, begin: int) -> Iterator[Batch]:
        rank, of = self._part
        for rows in self._rows(epoch)[begin:]:
            own = rows[rank::of]
            # A part without rows is any rows that do not count.
            yield self._batch(own, 1.0) if len(own) else self._batch(rows[:1], 0.0)

    def loss(self, batch: Batch) -> Tensor:
        losses = F.cross_entropy(
            self.model(batch.texts),
            batch.target,
            reduction="none",
            label_smoothing=self._smoothing,
        )
        return (losses * batch.weight).sum() / batch.weight.sum().clamp(min=1e-12)

    def weight(self, batch: Batch) -> float:
        return float(batch.weight.sum())

    def pace(self, epoch: int) -> Mapping[str, float]:
        if not isinstance(self.model, PretrainedClassifier):
            return {}
        return unfrozen(["", *self.model.encoder.layers("encoder")], epoch)

    def validate(self) -> float:
        found = self._examples
        texts = [found.corpus.texts[row] for row in found.validation]
        scores = answer(self.model, found.corpus, texts, self._setting)
        labels = found.labels[found.validation]
        shifted = scores - scores.max(axis=1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
        return float(np.average(losses, weights=found.class_weights[labels]))

    def _rows(self, epoch: int) -> list[Indices]:
        return buckets(
            self._lengths,
            batch_size=self.batch_size,
            seed=self._seed,
            epoch=epoch,
            pool=POOLED * self.batch_size,
        )

    def _batch(self, rows: Indices, share: float) -> Batch:
        found = self._examples
        places = found.training[rows]
        labels = found.labels[places]
        return Batch(
            found.corpus.batch([found.corpus.texts[p] for p in places], self._setting.vocab_size),
            torch.from_numpy(labels),
            torch.from_numpy((share * found.class_weights[labels]).astype(np.float32)),
        )


def answer(model: nn.Module, corpus: Corpus, texts: Sequence[Indices], setting: Setting) -> Floats:
    """The network's scores, (N, K).

    Args:
        model: in evaluation mode.
        corpus: whose words the texts are made of.
        texts: of its distinct words.
        setting: of the model.
    """
    found = np.zeros((len(texts), setting.classes))
    lengths = np.array([len(text) for text in texts], np.int64)
    order = np.argsort(lengths, kind="stable")
    with torch.inference_mode(), one_thread():
        low = 0
        while low < len(order):
            rows = order[low : low + ANSWER_ROWS]
            rows = rows[: max(1, ANSWER_WORDS // max(1, int(lengths[rows[-1]])))]
            batch = corpus.batch([texts[row] for row in rows], setting.vocab_size)
            found[rows] = model(batch).double().numpy()
            low += len(rows)
    return found
