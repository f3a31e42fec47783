"""Texts in, answers out: by the likeliest token each time, by a beam, or by chance.

Texts are answered in batches of like length. What one is answered depends neither on the others nor
on how many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recurra.errors import OptionError
from recurra.models import Choice, Seq2Seq, Source
from recurra.models.said import Said
from recurra.models.search import beam_search
from recurra.models.speaking import greedy, sample
from recurra.tasks.rewriting.batch import Coded, by_length, code
from recurra.tasks.rewriting.sides import Sides

# Sentences that are open side by side, and tokens that are read at once.
ROWS, TOKENS = 256, 8192


@dataclass(frozen=True)
class Answer:
    """What was said of a text.

    Attributes:
        text: as it is read.
        pieces: its tokens for people, the end not among them.
        score: what it was ranked by; higher is better.
        nats: -log p of its tokens and its end.
        shares: which share of each of the source's S tokens went into a token, a row each, that of
            the end the last; None where nobody asked, and of a blank text.
        finished: whether it came to its end before its limit.
    """

    text: str
    pieces: tuple[str, ...] = ()
    score: float = 0.0
    nats: float = 0.0
    shares: Float[np.ndarray, "T S"] | None = None
    finished: bool = True


@dataclass(frozen=True)
class Manner:
    """How answers are looked for.

    Args:
        beam: hypotheses side by side; 1 takes the likeliest token each time.
        n_best: answers a text, the best first.
        alpha: how far long answers are made up for their length; 0 ranks by log p.
        choice: draw tokens, instead of looking for the likeliest; answers come as they were drawn.
        seed: of what is drawn.
        most: tokens of an answer at most; what the training data bears when not given.
        shares: keep what was attended to.

    Raises:
        OptionError: the seed or `most` does not fit.
    """

    beam: int = 5
    n_best: int = 1
    alpha: float = 0.6
    choice: Choice | None = None
    seed: int = 0
    most: int | None = None
    shares: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise OptionError(f"--seed is {self.seed}; it is 0 or more")
        if self.most is not None and self.most < 1:
            raise OptionError(f"--length is {self.most}; it is at least 1 token")

    @property
    def copies(self) -> int:
        """Rows a text."""
        return max(1, self.beam if self.choice is None else self.n_best)


def say(
    network: Seq2Seq,
    sides: Sides,
    texts: Sequence[str],
    manner: Manner | None = None,
    *,
    first: int = 0,
) -> list[list[Answer]]:
    """Answers to each text; a blank one has an empty answer, and the network is not asked.

    Args:
        network: as it stands.
        sides: its vocabularies.
        texts: to be read.
        manner: how; a beam of 5 when not given.
        first: the number of the first text, on which depends what is drawn.

    Raises:
        DataError, MissingPackageError: as `Sides.read`.
        OptionError: the manner does not fit.
        ShapeError: the network reads no text so long.
        TrainingError: the network's scores are no numbers.
    """
    manner = manner or Manner()
    places = [place for place, text in enumerate(texts) if text.strip()]
    coded = code(sides, [texts[place] for place in places])
    found = [[Answer("")] for _ in texts]
    for rows in by_length(coded.sources.lengths, max(1, ROWS // manner.copies), TOKENS):
        limits = [_limit(sides, coded, row, manner) for row in rows.tolist()]
        numbers = [first + places[row] for row in rows.tolist()]
        said = _said(network, sides, coded.source(rows), limits, numbers, manner)
        for row, each in zip(rows.tolist(), said, strict=True):
            found[places[row]] = [_answer(sides, coded, row, one) for one in each]
    return found


def mean_nats(network: Seq2Seq, coded: Coded) -> float:
    """-log p of what should be said, a token, the ends among them.

    Args:
        network: as it stands.
        coded: with targets.
    """
    total, count = 0.0, 0
    for rows in by_length(coded.lengths, ROWS, TOKENS):
        target = coded.target(rows)
        total += float(network.nats(coded.source(rows), target).double().sum())
        count += int(target.lengths.sum())
    return total / max(1, count)


def _limit(sides: Sides, coded: Coded, row: int, manner: Manner) -> int:
    return manner.most or sides.most(int(coded.sources.lengths[row]))


def _said(
    network: Seq2Seq,
    sides: Sides,
    source: Source,
    limits: Sequence[int],
    numbers: Sequence[int],
    manner: Manner,
) -> list[list[Said]]:
    """What was said of each source of a batch; `numbers` are those of the texts."""
    speaker, copies = network.speaker(source, manner.copies), manner.copies
    begin = end = sides.end
    alpha, shares = manner.alpha, manner.shares
    if manner.choice is None and manner.beam == manner.n_best == 1:
        said = greedy(speaker, begin=begin, end=end, most=limits, alpha=alpha, shares=shares)
        return [[each] for each in said]
    if manner.choice is None:
        return beam_search(
            speaker,
            len(limits),
            begin=begin,
            end=end,
            most=limits,
            beam=manner.beam,
            n_best=manner.n_best,
            alpha=alpha,
            shares=shares,
        )
    drawn = sample(
        speaker,
        manner.choice,
        begin=begin,
        end=end,
        most=np.repeat(limits, copies),
        seeds=[_seed(manner.seed, number, copy) for number in numbers for copy in range(copies)],
        alpha=alpha,
        shares=shares,
    )
    return [drawn[first : first + copies] for first in range(0, len(drawn), copies)]


def _seed(seed: int, number: int, copy: int) -> int:
    """Each answer has random numbers of its own, whatever texts stand beside it in a batch."""
    return int(np.random.SeedSequence((seed, number, copy)).generate_state(1, np.uint64)[0])


def _answer(sides: Sides, coded: Coded, row: int, said: Said) -> Answer:
    strange = coded.strange[row]
    # The longest source of the batch had more places.
    own = None if said.shares is None else said.shares[:, : coded.sources.lengths[row]]
    return Answer(
        text=sides.text(said.tokens, strange),
        pieces=sides.names(said.tokens, strange),
        score=said.score,
        nats=said.nats,
        shares=own,
        finished=said.finished,
    )
