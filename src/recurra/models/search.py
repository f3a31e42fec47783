"""The likeliest sentences that a network can say, by a beam.

    score(y) = log p(y) / ((5 + |y|) / 6)^alpha       |y| counts the end

Of each sentence `beam` hypotheses are open. All tokens that may follow them are ranked. An end
among the best `beam` of these closes its hypothesis; the best `beam` that are no end stay open. A
sentence is over when n were closed that no open one can beat, or at its limit. Log p only falls and
the penalty only grows, so an open hypothesis cannot beat log p / ((5 + most + 1) / 6)^alpha; once
`beam` are closed, it is no longer hoped that an open one will grow, and its log p is taken as if
the end came next. What is open at the limit is taken as it is where fewer than n came to their end,
and stands behind those.

Of equal hypotheses the one with the better beginning comes first, then the one with the lower
token.

Source: Wu et al., "Google's Neural Machine Translation System", 2016, arXiv:1609.08144, section 7;
the end of the search by n hypotheses is ours.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.errors import OptionError, ShapeError
from recurra.models.likeliest import along, likeliest
from recurra.models.said import Closed, Ids, Most, Said, Trail, few_left, limits, penalty
from recurra.models.sampling import check_finite
from recurra.models.speaker import Speaker

Numbers = NDArray[np.float64]


def beam_search(
    speaker: Speaker,
    sentences: int,
    *,
    begin: int,
    end: int,
    most: Most,
    beam: int = 5,
    n_best: int = 1,
    alpha: float = 0.6,
    shares: bool = False,
) -> list[list[Said]]:
    """At most `n_best` sentences each, the best first; those without an end are last.

    Args:
        speaker: `beam` rows for each of the sentences, all before their first word.
        sentences: B.
        begin: the token that stands before a sentence.
        end: the token behind it.
        most: tokens of each sentence at most, the end not counted.
        beam: hypotheses that are open side by side.
        n_best: how many are asked for.
        alpha: how far long sentences are made up for their length; 0 ranks by log p.
        shares: keep the shares of the source's places too.

    Raises:
        OptionError: a number does not fit.
        ShapeError: the speaker has other rows, or there is not one limit a sentence.
        TrainingError: the network's scores are no numbers.
    """
    _check(beam, n_best)
    if speaker.rows != sentences * beam:
        raise ShapeError(f"the speaker has {speaker.rows} rows; {sentences} x {beam} fit")
    most = limits(most, sentences, alpha)
    search = _Search(end, most, beam, n_best, alpha, Trail(shares=shares))
    search.run(speaker, begin)
    return search.best()


def _check(beam: int, n_best: int) -> None:
    if beam < 1:
        raise OptionError(f"--beam is {beam}; it is at least 1")
    if n_best < 1:
        raise OptionError(f"--n-best is {n_best}; it is at least 1")
    if n_best > beam:
        raise OptionError(f"--n-best is {n_best}; --beam {beam} finds at most {beam}")


class _Search:
    """All sentences side by side.

    Those that are over stay in the rows until there are enough of them; their log p is -inf.
    """

    def __init__(
        self, end: int, most: Ids, beam: int, n_best: int, alpha: float, trail: Trail
    ) -> None:
        self._end, self._beam, self._n_best, self._alpha = end, beam, n_best, alpha
        self._trail = trail
        self._closed: list[list[Closed]] = [[] for _ in most]
        # Of the sentences that have rows: which they are, their limits, the penalty there, the
        # score that an open hypothesis has to beat, whether `beam` are closed, and log p of the
        # open ones, best first.
        self._which, self._most = np.arange(len(most)), most
        self._last = np.array([penalty(limit + 1, alpha) for limit in most.tolist()])
        self._bar = np.full(len(most), -np.inf)
        self._full = np.zeros(len(most), bool)
        self._log_p = np.full((len(most), beam), -np.inf)
        # All rows of a sentence are the same before its first word: one stands for all.
        self._log_p[:, 0] = 0

    def run(self, speaker: Speaker, begin: int) -> None:
        """Until all sentences are over."""
        tokens = np.full(self._log_p.size, begin)
        length = 0
        while len(tokens):
            scores = speaker.step(torch.from_numpy(tokens))
            self._trail.listen(speaker)
            log_p, rows, followers = self._followers(scores)
            ends = (followers == self._end) & (log_p > -np.inf)
            self._close(length, log_p, rows, ends[:, : self._beam])
            self._cut(length)
            log_p[ends] = -np.inf
            places = np.argsort(ends, axis=1, kind="stable")[:, : self._beam]
            self._log_p = along(log_p, places)
            self._end_sentences(length)
            tokens = self._go_on(speaker, along(rows, places), along(followers, places))
            length += 1

    def best(self) -> list[list[Said]]:
        """Of each sentence."""
        return [list(map(self._trail.said, each[: self._n_best])) for each in self._closed]

    def _followers(self, scores: Tensor) -> tuple[Numbers, Ids, Ids]:
        """The best 2 x beam of what may come next in each sentence: log p of the whole, the row
        that it follows, and the token. Of so many at least `beam` are no end.
        """
        values, tokens = likeliest(scores, self._beam + 1)
        sentences, log_p = len(self._which), self._log_p.reshape(-1, 1)
        check_finite(values[log_p[:, 0] > -np.inf, 0])
        sums = np.where(log_p > -np.inf, log_p + values, -np.inf).reshape(sentences, -1)
        places = np.argsort(-sums, axis=1, kind="stable")[:, : 2 * self._beam]
        rows = places // values.shape[1]
        return along(sums, places), rows, along(tokens.reshape(sentences, -1), places)

    def _close(self, length: int, log_p: Numbers, rows: Ids, ends: NDArray[np.bool_]) -> None:
        """Hypotheses of so many tokens that came to their end."""
        scores = log_p / penalty(length + 1, self._alpha)
        for at, place in zip(*(each.tolist() for each in ends.nonzero()), strict=True):
            row = at * self._beam + int(rows[at, place])
            new = Closed(float(log_p[at, place]), float(scores[at, place]), length, row, True)
            closed = self._closed[self._which[at]]
            closed.append(new)
            closed.sort(key=lambda each: -each.score)
            del closed[self._beam :]
            if len(closed) >= self._n_best:
                self._bar[at] = closed[self._n_best - 1].score
            self._full[at] = len(closed) == self._beam

    def _cut(self, length: int) -> None:
        """Take hypotheses without an end, in sentences that lack some at their limit."""
        for at in np.flatnonzero(self._most == length).tolist():
            closed = self._closed[self._which[at]]
            ended = {each.row for each in closed if each.length == length}
            for place, log_p in enumerate(self._log_p[at].tolist()):
                row = at * self._beam + place
                if len(closed) < self._n_best and log_p > -np.inf and row not in ended:
                    score = log_p / penalty(length, self._alpha)
                    closed.append(Closed(log_p, score, length, row, False))

    def _end_sentences(self, length: int) -> None:
        hoped = np.where(self._full, penalty(length + 2, self._alpha), self._last)
        beaten = self._bar >= self._log_p[:, 0] / hoped
        self._log_p[beaten | (self._most == length)] = -np.inf

    def _go_on(self, speaker: Speaker, rows: Ids, tokens: Ids) -> Ids:
        """Move the rows behind their beginnings, and give their tokens."""
        over = self._log_p[:, 0] == -np.inf
        stay = np.flatnonzero(~over) if few_left(over) else np.arange(len(over))
        beginnings = (stay[:, None] * self._beam + rows[stay]).ravel()
        if len(stay) and not np.array_equal(beginnings, np.arange(rows.size)):
            speaker.keep(torch.from_numpy(beginnings))
        self._which, self._most, self._last = self._which[stay], self._most[stay], self._last[stay]
        self._bar, self._full = self._bar[stay], self._full[stay]
        self._log_p = self._log_p[stay]
        said = tokens[stay].ravel()
        self._trail.go_on(beginnings, said)
        return said
