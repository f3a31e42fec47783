"""Which token comes next: drawn from scores.

    p_i    = softmax(s / temperature)_i               0: the likeliest token, the first of equals
    top_k    the k likeliest are left                 0: all
    top_p    of those the fewest, likeliest first, that have a share of at least top_p
    min_p    of those the ones that are at least min_p times as likely as the likeliest
    token  ~ p over what is left, made to sum to 1

Where tokens are equally likely, the lower number comes first.

Source: top_k: Fan, Lewis and Dauphin, "Hierarchical Neural Story Generation", 2018,
arXiv:1805.04833, section 5.4; top_p: Holtzman et al., "The Curious Case of Neural Text
Degeneration", 2020, arXiv:1904.09751, section 3.1; min_p: Nguyen et al., "Turning Up the Heat:
Min-p Sampling for Creative and Coherent LLM Outputs", 2024, arXiv:2407.01082, section 3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recurra.errors import OptionError, TrainingError

# Below the lowest temperature scores would leave the numbers there are.
TEMPERATURES = (1e-3, 1e3)
# Random numbers that a row draws at a time, and the largest of them: below 1 by enough that its
# share of any sum is below the sum.
BLOCK, LARGEST = 256, 1 - 2.0**-50
# Tokens looked at first where a share is asked for; if they are too few, so many times as many.
NEAR, MORE = 256, 8


@dataclass(frozen=True)
class Choice:
    """How a token is chosen; the module says what each number does.

    Raises:
        OptionError: a number does not fit.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        low, high = TEMPERATURES
        if self.temperature != 0 and not low <= self.temperature <= high:
            raise OptionError(
                f"--temperature is {self.temperature}; 0 fits, for the likeliest token, and "
                f"{low:g} … {high:g}"
            )
        if self.top_k < 0:
            raise OptionError(f"--top-k is {self.top_k}; it is at least 1, or 0 for all tokens")
        if not 0 < self.top_p <= 1:
            raise OptionError(f"--top-p is {self.top_p}; it lies above 0, and 1 leaves all tokens")
        if not 0 <= self.min_p <= 1:
            raise OptionError(f"--min-p is {self.min_p}; it lies in 0 … 1, and 0 leaves all tokens")

    @property
    def filters(self) -> bool:
        """Whether some tokens may be left out."""
        return self.top_k > 0 or self.top_p < 1 or self.min_p > 0

    def weights(self, scores: Float[np.ndarray, "B V"]) -> Float[np.ndarray, "B V"]:
        """In proportion to p, before tokens are left out; the likeliest has 1.

        Raises:
            TrainingError: a score is no number.
        """
        most = np.maximum.reduce(scores, axis=1, keepdims=True)
        check_finite(most)
        away: np.ndarray = np.subtract(scores, most, dtype=np.float64)
        away /= self.temperature
        np.exp(away, out=away)
        return away

    def left(self, weights: Float[np.ndarray, " V"]) -> Int[np.ndarray, " K"]:
        """The tokens that may be drawn, likeliest first.

        Args:
            weights: of one row.
        """
        k = min(self.top_k or len(weights), len(weights))
        if self.top_p == 1:
            return _likeliest(weights, k, self.min_p)
        ids = self._share(weights, k)
        return ids[: np.count_nonzero(weights[ids] >= self.min_p)]

    def _share(self, weights: Float[np.ndarray, " V"], k: int) -> Int[np.ndarray, " K"]:
        """The fewest tokens that have `top_p` of what the k likeliest have."""
        near = k if k < len(weights) else min(NEAR, k)
        while True:
            ids = _likeliest(weights, near)
            sums = np.add.accumulate(weights[ids])
            wanted = self.top_p * (sums[-1] if near == k else np.add.reduce(weights))
            if near == k or sums[-1] >= wanted:
                return ids[: np.count_nonzero(sums < wanted) + 1]
            near = min(MORE * near, k)


class Sampler:
    """Draws a token a row, by random numbers of the row's own: those beside it change nothing.

    Args:
        choice: how.
        seeds: of the rows.
    """

    def __init__(self, choice: Choice, seeds: Sequence[int]) -> None:
        self._choice = choice
        self._random = [np.random.default_rng(seed) for seed in seeds]
        self._block = np.empty((len(seeds), BLOCK))
        self._used = BLOCK

    def draw(self, scores: Float[np.ndarray, "B V"]) -> Int[np.ndarray, " B"]:
        """The next token of each row.

        Raises:
            TrainingError: a score is no number; nothing was drawn.
        """
        if self._choice.temperature == 0:
            return _first_likeliest(scores)
        weights = self._choice.weights(scores)
        pick = self._among if self._choice.filters else _pick
        return np.array([pick(*each) for each in zip(weights, self._uniform(), strict=True)])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows alone."""
        self._random = [self._random[row] for row in rows]
        self._block = self._block[list(rows)]

    def _uniform(self) -> list[float]:
        """A number below 1 for each row."""
        if self._used == BLOCK:
            for row, random in zip(self._block, self._random, strict=True):
                np.minimum(random.random(BLOCK), LARGEST, out=row)
            self._used = 0
        self._used += 1
        numbers: list[float] = self._block[:, self._used - 1].tolist()
        return numbers

    def _among(self, weights: Float[np.ndarray, " V"], number: float) -> int:
        ids = self._choice.left(weights)
        return int(ids[_pick(weights[ids], number)])


def probabilities(scores: Float[np.ndarray, "B V"], choice: Choice) -> Float[np.ndarray, "B V"]:
    """What a `Sampler` draws from; 0 for tokens that are left out.

    Raises:
        TrainingError: a score is no number.
    """
    made = np.zeros(scores.shape)
    if choice.temperature == 0:
        made[np.arange(len(made)), _first_likeliest(scores)] = 1
        return made
    for row, weights in zip(made, choice.weights(scores), strict=True):
        ids = choice.left(weights)
        row[ids] = weights[ids] / weights[ids].sum()
    return made


def _pick(weights: Float[np.ndarray, " K"], number: float) -> int:
    """The place up to which the weights have more than a share of their sum."""
    sums = np.add.accumulate(weights)
    return int(sums.searchsorted(number * sums[-1], "right"))


def _likeliest(
    weights: Float[np.ndarray, " V"], k: int, least: float = 0.0
) -> Int[np.ndarray, " K"]:
    """The k likeliest tokens; likeliest first, of equals the lower number.

    Args:
        least: only tokens of at least that weight.
    """
    if k < len(weights):
        least = max(least, float(np.partition(weights, -k)[-k]))
    ids: np.ndarray = np.nonzero(weights >= least)[0]
    found: np.ndarray = ids[np.argsort(-weights[ids], kind="stable")[:k]]
    return found


def _first_likeliest(scores: Float[np.ndarray, "B V"]) -> Int[np.ndarray, " B"]:
    ids: np.ndarray = scores.argmax(axis=1)
    check_finite(scores[np.arange(len(ids)), ids])
    return ids


def check_finite(most: Float[np.ndarray, "..."]) -> None:
    """By the largest score of each row: none is larger than one that is no number.

    Raises:
        TrainingError: one is not finite.
    """
    if not all(map(math.isfinite, most.ravel().tolist())):
        raise TrainingError(
            "the model's scores are not finite; train it again with a smaller --learning-rate"
        )
