"""Sequences of numbers through the network: how it learns from them and answers them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recurra.data import buckets
from recurra.data.signals.sequences import Sequences
from recurra.errors import OptionError
from recurra.models import SequenceNetwork, Steps
from recurra.tasks.signals.augment import Augment, Changed
from recurra.tasks.signals.setting import Setting
from recurra.train import Course, History, Lesson, Plan, one_thread, this_part, train

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Answers = Indices | Floats
LOSSES = ("classes", "numbers", "huber")
# Rows that are sorted by length together, as batches; rows and numbers of a batch that is answered.
POOLED = 32
ANSWER_ROWS, ANSWER_NUMBERS = 256, 1 << 21


class Batch(NamedTuple):
    """What the network is given, what it should have said, and how much each answer counts.

    Targets and weights are (B,), or (B, T) where each step is answered.
    """

    steps: Steps
    target: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Learning:
    """What is learned from and validated on.

    Args:
        sequences: all of them.
        answers: numbers of classes, or values; one a sequence, or where each step is answered one
            a step. A class below 0 and a value of NaN are not known, and count nothing.
        training: numbers of sequences to learn from.
        validation: numbers of sequences to validate on.
        class_weights: (K,) how much an answer of each class counts; all alike when not given.
        augment: how training sequences are changed.
    """

    sequences: Sequences
    answers: Answers
    training: Indices
    validation: Indices
    class_weights: Floats | None = None
    augment: Augment = field(default_factory=Augment)


class SignalLesson(Lesson[Batch]):
    """The batches of every epoch: each training sequence once, neighbours in length together.

    The loss is the mean log loss in nats, by the weights of the classes; or of values the mean
    squared or Huber's loss of differences in units of the training values' deviation. What
    validates is the former, or the root of the mean squared error in the values' own unit.
    The model, which is built from the seed, learns in place; the caller's random state is left as
    it was.

    Args:
        setting: shapes the network.
        learning: what it learns from.
        batch_size: sequences a batch.
        seed: of the weights, of dropout, of the order and of changes.
        loss: a name in LOSSES.
        smoothing: share of a target that all classes have alike.

    Raises:
        OptionError: the loss is none of these.
    """

    def __init__(
        self,
        setting: Setting,
        learning: Learning,
        *,
        batch_size: int,
        seed: int = 0,
        loss: str = "classes",
        smoothing: float = 0.0,
    ) -> None:
        if loss not in LOSSES:
            raise OptionError(f"SignalLesson: loss is {loss!r}, one of {', '.join(LOSSES)} fits")
        self._setting, self._learning, self._seed = setting, learning, seed
        self._loss, self._smoothing, self.batch_size = loss, smoothing, batch_size
        self._part = this_part()
        self._lengths = learning.sequences.lengths[learning.training]
        self.steps = len(self._rows(0))

    def teach(self, plan: Plan, course: Course | None = None) -> tuple[SequenceNetwork, History]:
        """Build the network and teach it; its weights are those of the best validated epoch."""
        with torch.random.fork_rng(devices=[]), one_thread():
            model = self.build()
            history = train(self, plan, course)
        return model, history

    def build(self) -> SequenceNetwork:
        """The network as it begins; draws from torch's random state, which it seeds.

        Its scales are those of the training part.
        """
        torch.manual_seed(self._seed)
        model, found = self._setting.build(), self._learning
        places = found.sequences.places(found.training)
        gaps = found.sequences.gaps
        model.features.learn_scale(
            torch.from_numpy(found.sequences.values[places]),
            None if gaps is None else torch.from_numpy(gaps[places]),
        )
        if self._loss != "classes":
            known = found.answers[places if self._setting.per_step else found.training]
            known = known[np.isfinite(known)]
            model.answer_mean.fill_(float(known.mean()))
            model.answer_scale.fill_(float(known.std()) or 1.0)
        self._scales = (model.features.mean.numpy(), model.features.scale.numpy())
        self.model: SequenceNetwork = model
        return model

    def batches(self, epoch: int, begin: int) -> Iterator[Batch]:
        rank, of = self._part
        for rows in self._rows(epoch)[begin:]:
            own = rows[rank::of]
            # A part without rows is any rows that do not count.
            yield self._batch(own, epoch, 1.0) if len(own) else self._batch(rows[:1], epoch, 0.0)

    def loss(self, batch: Batch) -> Tensor:
        losses = self._losses(self.model(batch.steps), batch.target, self._smoothing)
        return (losses * batch.weight).sum() / batch.weight.sum().clamp(min=1e-12)

    def weight(self, batch: Batch) -> float:
        return float(batch.weight.sum())

    def validate(self) -> float:
        found, rows = self._learning, self._learning.validation
        scores = torch.from_numpy(answer(self.model, found.sequences, rows))
        answers = found.answers[found.sequences.places(rows) if self._setting.per_step else rows]
        target, weight = self._told(answers)
        if self._loss == "classes":
            losses = self._losses(scores, target, 0.0)
            return float((losses * weight).sum() / weight.sum())
        squares = torch.where(weight > 0, (scores[..., 0] - target).square(), 0.0)
        return float((squares.sum() / weight.sum()).sqrt())

    def _losses(self, scores: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """The loss of each answer; any number where none is known."""
        if self._loss == "classes":
            flat = F.cross_entropy(
                scores.flatten(0, -2),
                target.flatten(),
                reduction="none",
                label_smoothing=smoothing,
            )
            return flat.view(target.shape)
        off = (scores[..., 0] - target.to(scores.dtype)) / self.model.answer_scale[0]
        if self._loss == "numbers":
            return off.square()
        return F.huber_loss(off, torch.zeros_like(off), reduction="none")

    def _told(self, answers: Answers) -> tuple[Tensor, Tensor]:
        """Targets, 0 where none is known, and what each of them counts."""
        if self._loss == "classes":
            known = answers >= 0
            labels = np.where(known, answers, 0).astype(np.int64)
            each = self._learning.class_weights
            weight = known * (1.0 if each is None else each[labels])
            return torch.from_numpy(labels), torch.from_numpy(weight.astype(np.float32))
        known = np.isfinite(answers)
        values = np.where(known, answers, 0).astype(np.float64)
        return torch.from_numpy(values), torch.from_numpy(known.astype(np.float32))

    def _rows(self, epoch: int) -> list[Indices]:
        return buckets(
            self._lengths,
            batch_size=self.batch_size,
            seed=self._seed,
            epoch=epoch,
            pool=POOLED * self.batch_size,
        )

    def _batch(self, rows: Indices, epoch: int, share: float) -> Batch:
        found = self._learning
        chosen = found.training[rows]
        each = [self._one(int(row), epoch) for row in chosen]
        told = found.answers[chosen]
        if self._setting.per_step:
            begins = found.sequences.offsets[chosen]
            told = self._padded(
                [found.answers[b + one.places] for b, one in zip(begins, each, strict=True)]
            )
        target, weight = self._told(told)
        return Batch(padded([(one.values, one.gaps) for one in each]), target, weight * share)

    def _one(self, row: int, epoch: int) -> Changed:
        """A training sequence as it is in an epoch."""
        sequences, augment = self._learning.sequences, self._learning.augment
        values, gaps = sequences.row(row), sequences.gaps_of(row)
        if not augment:
            return Changed(values, gaps, np.arange(len(values)))
        key = (self._seed, epoch, row)
        return augment.change(values, gaps, self._scales, sequences.categories, key)

    def _padded(self, parts: Sequence[Answers]) -> Answers:
        """(B, T), unknown in the padding."""
        shape = (len(parts), max(len(part) for part in parts))
        whole: Answers = np.full(shape, -1, np.int64)
        if self._loss != "classes":
            whole = np.full(shape, np.nan)
        for row, part in enumerate(parts):
            whole[row, : len(part)] = part
        return whole


def steps_of(sequences: Sequences, rows: Indices) -> Steps:
    """Some sequences as a batch."""
    return padded([(sequences.row(row), sequences.gaps_of(row)) for row in rows.tolist()])


def padded(each: Sequence[tuple[NDArray[np.float32], NDArray[np.float32] | None]]) -> Steps:
    """Steps (T, F) of several sequences, and their gaps, as a batch."""
    lengths = np.array([len(values) for values, _ in each], np.int64)
    T = int(lengths.max(initial=0))
    values = np.zeros((len(each), T, each[0][0].shape[1]), np.float32)
    gaps = None if each[0][1] is None else np.zeros((len(each), T), np.float32)
    for row, (own, gap) in enumerate(each):
        values[row, : len(own)] = own
        if gaps is not None and gap is not None:
            gaps[row, : len(gap)] = gap
    times = None if gaps is None else torch.from_numpy(gaps)
    return Steps(torch.from_numpy(values), torch.from_numpy(lengths), times)


def answer(model: SequenceNetwork, sequences: Sequences, rows: Indices) -> Floats:
    """The network's scores: (B, K), or of all steps one row behind the other, (N, K).

    Args:
        model: in evaluation mode.
        sequences: of the channels that it was built for.
        rows: numbers of the sequences, in the order of the result.
    """
    lengths = sequences.lengths[rows]
    each: list[Floats] = [np.zeros((0, 0))] * len(rows)
    order = np.argsort(lengths, kind="stable")
    with torch.inference_mode(), one_thread():
        low = 0
        while low < len(order):
            some = order[low : low + ANSWER_ROWS]
            numbers = max(1, int(lengths[some[-1]])) * sequences.values.shape[1]
            some = some[: max(1, ANSWER_NUMBERS // numbers)]
            scores = model(steps_of(sequences, rows[some])).double().numpy()
            for place, score in zip(some, scores, strict=True):
                each[place] = score[: lengths[place]] if model.per_step else score[None]
            low += len(some)
    outputs = model.head.out_features
    return np.concatenate([*each, np.zeros((0, outputs))]) if len(rows) else np.zeros((0, outputs))
