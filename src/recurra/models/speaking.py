"""Sentences said token after token, without looking back: the likeliest each time, or one drawn."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.errors import ShapeError
from recurra.models.said import Closed, Ids, Most, Said, Trail, few_left, limits, penalty
from recurra.models.sampling import Choice, Sampler, check_finite
from recurra.models.speaker import Speaker

Numbers = NDArray[np.float64]


def greedy(
    speaker: Speaker, *, begin: int, end: int, most: Most, alpha: float = 0.6, shares: bool = False
) -> list[Said]:
    """A sentence a row, of the likeliest tokens; of equals the lower one.

    That is what a beam of one finds.

    Args:
        speaker: its rows are before their first word.
        begin: the token that stands before a sentence.
        end: the token behind it.
        most: tokens of each sentence at most, the end not counted.
        alpha: how far the score makes up for length; no token depends on it.
        shares: keep the shares of the source's places too.

    Raises:
        OptionError: a number does not fit.
        ShapeError: there is not one limit a row.
        TrainingError: the network's scores are no numbers.
    """
    rows = _Rows(speaker, limits(most, speaker.rows, alpha), alpha, Trail(shares=shares))
    return rows.say(begin, end, lambda scores: scores.argmax(1).cpu().numpy(), lambda _: None)


def sample(
    speaker: Speaker,
    choice: Choice,
    *,
    begin: int,
    end: int,
    most: Most,
    seeds: Sequence[int],
    alpha: float = 0.6,
    shares: bool = False,
) -> list[Said]:
    """A sentence a row, of tokens that are drawn; what it is said to cost is by the network's own
    p, whatever the choice.

    Args:
        choice: how a token is drawn.
        seeds: of the random numbers of each row.

    The others, and what is raised, are as of `greedy`.
    """
    if len(seeds) != speaker.rows:
        raise ShapeError(f"there are {len(seeds)} seeds; {speaker.rows} fit, one a row")
    sampler = Sampler(choice, seeds)
    rows = _Rows(speaker, limits(most, speaker.rows, alpha), alpha, Trail(shares=shares))
    return rows.say(begin, end, lambda scores: sampler.draw(scores.cpu().numpy()), sampler.keep)


class _Rows:
    """Sentences that are said side by side; those that are over stay until there are enough."""

    def __init__(self, speaker: Speaker, most: Ids, alpha: float, trail: Trail) -> None:
        self._speaker, self._most, self._alpha, self._trail = speaker, most, alpha, trail
        self._closed: dict[int, Closed] = {}
        # Of what has rows.
        self._which, self._log_p = np.arange(len(most)), np.zeros(len(most))
        self._over = np.zeros(len(most), np.bool_)

    def say(
        self,
        begin: int,
        end: int,
        choose: Callable[[Tensor], Ids],
        keep: Callable[[Sequence[int]], None],
    ) -> list[Said]:
        """All sentences.

        Args:
            choose: a token a row, by log p of each.
            keep: told which rows go on.
        """
        tokens = np.full(len(self._which), begin)
        for length in range(int(self._most.max(initial=-1)) + 1):
            scores = self._speaker.step(torch.from_numpy(tokens))
            self._trail.listen(self._speaker)
            tokens = choose(scores)
            self._hear(length, _log_p(scores, tokens), tokens == end)
            stay = self._go_on(tokens, keep)
            tokens = tokens[stay]
            if not len(stay):
                break
        return [self._trail.said(self._closed[at]) for at in range(len(self._closed))]

    def _hear(self, length: int, log_p: Numbers, ended: NDArray[np.bool_]) -> None:
        """Close what came to its end, and what has `length` tokens and may have no more."""
        check_finite(log_p[~self._over])
        cut = ~ended & (self._most[self._which] == length)
        for at in np.flatnonzero((ended | cut) & ~self._over).tolist():
            finished = bool(ended[at])
            whole = float(self._log_p[at] + (log_p[at] if finished else 0))
            score = whole / penalty(length + finished, self._alpha)
            self._closed[int(self._which[at])] = Closed(whole, score, length, at, finished)
        self._log_p += log_p
        self._over |= ended | cut

    def _go_on(self, tokens: Ids, keep: Callable[[Sequence[int]], None]) -> Ids:
        """The rows that stay."""
        stay = np.flatnonzero(~self._over) if few_left(self._over) else np.arange(len(tokens))
        if 0 < len(stay) < len(tokens):
            self._speaker.keep(torch.from_numpy(stay))
            keep(stay.tolist())
        self._which, self._log_p = self._which[stay], self._log_p[stay]
        self._over = self._over[stay]
        self._trail.go_on(stay, tokens[stay])
        return stay


def _log_p(scores: Tensor, tokens: Ids) -> Numbers:
    """Of the tokens that were chosen."""
    at = torch.from_numpy(tokens).to(scores.device)
    return scores.gather(1, at[:, None])[:, 0].double().cpu().numpy()
