"""What a network has said, kept step by step as who went on from whom."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from recurra.errors import OptionError, ShapeError
from recurra.models.speaker import Speaker

Ids = NDArray[np.int64]
# The most tokens of each sentence.
Most = Sequence[int] | Int[np.ndarray, " B"] | Int[torch.Tensor, " B"]


@dataclass(frozen=True)
class Said:
    """A sentence.

    Attributes:
        tokens: without the begin and the end.
        nats: -log p of all of them, the end included.
        score: what it was ranked by; higher is better.
        shares: of the source's places, as wide as the longest source of the batch; a row a token,
            the end included. None where nobody asked for them.
        finished: whether it came to its end before the limit.
    """

    tokens: tuple[int, ...]
    nats: float
    score: float
    shares: Float[np.ndarray, "T S"] | None
    finished: bool


@dataclass(frozen=True)
class Closed:
    """A sentence that nobody goes on with: `length` tokens and log p; `row` is its place in the
    speaker when it was closed.
    """

    log_p: float
    score: float
    length: int
    row: int
    finished: bool


class Trail:
    """Tokens by pointers to those before them, so that hypotheses share their beginnings.

    Args:
        shares: whether the speaker's shares are kept too.
    """

    def __init__(self, *, shares: bool) -> None:
        self._tokens: list[Ids] = []
        self._parents: list[Ids] = []
        self._shares: list[NDArray[np.floating]] | None = [] if shares else None

    def listen(self, speaker: Speaker) -> None:
        """Keep the shares of the step that was just taken."""
        if self._shares is not None:
            self._shares.append(speaker.shares.cpu().numpy().copy())

    def go_on(self, parents: Int[np.ndarray, " M"], tokens: Int[np.ndarray, " M"]) -> None:
        """Row i now is what row `parents[i]` was, with one token more."""
        self._parents.append(parents)
        self._tokens.append(tokens)

    def said(self, closed: Closed) -> Said:
        """A sentence read back from its last token."""
        row, tokens, rows = closed.row, [], [closed.row] if closed.finished else []
        for step in reversed(range(closed.length)):
            tokens.append(int(self._tokens[step][row]))
            row = int(self._parents[step][row])
            rows.append(row)
        return Said(
            tuple(reversed(tokens)), -closed.log_p, closed.score, self._read(rows), closed.finished
        )

    def _read(self, rows: list[int]) -> NDArray[np.floating] | None:
        if self._shares is None:
            return None
        kept = [self._shares[step][row] for step, row in enumerate(reversed(rows))]
        return np.stack(kept) if kept else self._shares[0][:0]


def penalty(length: int, alpha: float) -> float:
    """What log p is divided by: ((5 + length) / 6)^alpha; the end counts as a token.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016, arXiv:1609.08144,
    equation 14.
    """
    return float(((5 + length) / 6) ** alpha)


def limits(most: Most, sentences: int, alpha: float) -> Ids:
    """The most tokens of each sentence, checked.

    Raises:
        OptionError: no token may be said, or the penalty would reward short sentences.
        ShapeError: there is not one number a sentence.
    """
    made = np.array(most.tolist() if isinstance(most, torch.Tensor) else most, np.int64)
    if made.shape != (sentences,):
        raise ShapeError(f"most has shape {made.shape}; ({sentences},) fits, one number a sentence")
    if sentences and made.min() < 1:
        raise OptionError(f"--max-length is {made.min()}; it is at least 1 token")
    if not alpha >= 0:
        raise OptionError(f"--alpha is {alpha}; it is at least 0, which ranks by log p alone")
    return made


def few_left(over: NDArray[np.bool_]) -> bool:
    """Whether so many are over that their rows cost more than a change of the rows."""
    return 4 * int(np.count_nonzero(over)) >= len(over)
