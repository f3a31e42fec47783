"""Pairs through a network: how it learns from them, and how it is validated by its own answers."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recurra.data import Pairs, buckets
from recurra.errors import OptionError
from recurra.models import Seq2Seq, Source, Target
from recurra.tasks.rewriting.batch import Coded, Indices, code
from recurra.tasks.rewriting.saying import Manner, mean_nats, say
from recurra.tasks.rewriting.scores import bleu, exact
from recurra.tasks.rewriting.sides import Sides
from recurra.train import Course, History, Lesson, Plan, one_thread, this_part, train

SCORES: dict[str, Callable[[list[str], list[str]], float]] = {
    "bleu": lambda answers, targets: bleu(answers, targets).value,
    "exact": exact,
}
# The most that nats add to the validation loss, where a score is as good as continuous.
TIE = 0.01


class Batch(NamedTuple):
    """What is read, what is to be said, and of how many tokens that counts.

    `sampling` is the share of inputs that are the network's own words.
    """

    source: Source
    target: Target
    counted: int
    sampling: float


class PairLesson(Lesson[Batch]):
    """Every pair once an epoch, neighbours in length together.

    The loss is -log p of the targets, a token. The validation loss is 100 less the score of the
    likeliest answers, and so little more by their nats that this only decides between equal scores.
    The network, which is built from the seed too, learns in place; the caller's random state is
    left as it was.

    Args:
        build: makes the network.
        sides: its vocabularies.
        training: pairs to learn from.
        validation: pairs to validate on.
        batch_tokens: tokens of both sides in a batch, padding included; a longer pair is alone.
        seed: of the weights, of dropout and of the order.
        score: a name in SCORES.
        smoothing: the share of each target that is spread over the vocabulary.
        sampling: the share of inputs that are the network's own words, in the end.
        rising: epochs in which that share rises from 0.

    Raises:
        DataError, MissingPackageError: as `Sides.read`.
        OptionError: an option does not fit.
    """

    model: Seq2Seq

    def __init__(
        self,
        build: Callable[[], Seq2Seq],
        sides: Sides,
        training: Pairs,
        validation: Pairs,
        *,
        batch_tokens: int,
        seed: int,
        score: str,
        smoothing: float = 0.0,
        sampling: float = 0.0,
        rising: int = 1,
    ) -> None:
        _check(batch_tokens, score, rising)
        self._build, self._sides, self._seed = build, sides, seed
        self._training = code(sides, training.sources, training.targets)
        self._validation = code(sides, validation.sources, validation.targets)
        self._held, self._score = validation, SCORES[score]
        self._smoothing, self._sampling, self._rising = smoothing, sampling, rising
        self._lengths = self._training.lengths
        self._tokens = max(batch_tokens, int(self._lengths.max(initial=1)))
        self._tie = TIE if score == "bleu" else 100 / max(1, len(validation))
        self._part = this_part()
        self.steps = len(self._drawn(1))

    def teach(self, plan: Plan, course: Course | None = None) -> tuple[Seq2Seq, History]:
        """Build the network and teach it; its weights are those of the best validated epoch."""
        with torch.random.fork_rng(devices=[]), one_thread():
            model = self.build()
            history = train(self, plan, course)
        return model, history

    def build(self) -> Seq2Seq:
        """The network as it begins; draws from torch's random state, which it seeds."""
        torch.manual_seed(self._seed)
        self.model = self._build()
        return self.model

    def batches(self, epoch: int, begin: int) -> Iterator[Batch]:
        share = self._sampling * min(1.0, (epoch - 1) / self._rising)
        for rows in self._drawn(epoch)[begin:]:
            yield self._of_this_part(rows)._replace(sampling=share)

    def loss(self, batch: Batch) -> Tensor:
        return self.model.loss(
            batch.source, batch.target, smoothing=self._smoothing, sampling=batch.sampling
        )

    def weight(self, batch: Batch) -> float:
        return float(batch.counted)

    def validate(self) -> float:
        found = say(self.model, self._sides, self._held.sources, Manner(beam=1))
        answers = [one.text for one, *_ in found]
        nats = mean_nats(self.model, self._validation)
        score = self._score(answers, list(self._held.targets))
        # What is not finite stays so, and is told.
        return 100 - score + (self._tie * nats / (1 + nats) if np.isfinite(nats) else nats)

    def _drawn(self, epoch: int) -> list[Indices]:
        # One pool of all pairs: else the number of batches would differ from epoch to epoch.
        lengths = self._lengths
        return buckets(
            lengths, tokens=self._tokens, seed=self._seed, epoch=epoch, pool=max(1, len(lengths))
        )

    def _of_this_part(self, rows: Indices) -> Batch:
        """The pairs of a batch that this process learns from."""
        rank, of = self._part
        if rank < len(rows):
            return _batch(self._training, rows[rank::of])
        return _batch(self._training, rows[:1])._replace(counted=0)


def _batch(coded: Coded, rows: Indices) -> Batch:
    target = coded.target(rows)
    return Batch(coded.source(rows), target, int(target.lengths.sum()), 0.0)


def _check(batch_tokens: int, score: str, rising: int) -> None:
    if batch_tokens < 1:
        raise OptionError(f"--batch-tokens is {batch_tokens}; it is at least 1")
    if score not in SCORES:
        raise OptionError(f'score is "{score}"; it is {" or ".join(SCORES)}')
    if rising < 1:
        raise OptionError(f"rising is {rising} epochs; it is at least 1")
