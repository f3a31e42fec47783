"""How well counted n-grams know a text: what a language model is printed beside.

    p_n(w | h) = (max(c_n(h w) - D_n, 0) + D_n N_n(h) p_{n-1}(w | h')) / c_n(h)
    D_n        = m_1 / (m_1 + 2 m_2)

h is the history of n - 1 tokens, h' the same without its first, N_n(h) how many different tokens
followed it, m_k how many n-grams have the count k. c_n counts how often an n-gram occurs in the
longest order, and in all others how many different tokens stand before it. A history that was never
seen is left to the shorter one; below the unigrams all tokens are equally likely.

Source: Kneser and Ney, "Improved backing-off for m-gram language modeling", 1995; interpolated as
in Chen and Goodman, "An empirical study of smoothing techniques for language modeling", 1999,
section 4.1.6.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.vocabulary import check_ids
from recurra.errors import DataError, OptionError

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
# A discount of a small text stays in here: with 0 a token that is new after a history would be
# impossible, with 1 what was seen once would count for nothing.
LEAST, MOST = 0.05, 0.95


class _Grams(NamedTuple):
    """The n-grams of one order in a training text.

    Args:
        keys: of each one, ascending: its history's number in the order below, and its token.
        first: where each ends for the first time.
        numbers: which one ends at every place; -1 at the n - 1 places before the first.
        counts: how often each occurs.
    """

    keys: Numbers
    first: Numbers
    numbers: Numbers
    counts: Numbers


def ngram_nats(
    train: NDArray[Any] | Sequence[int],
    test: NDArray[Any] | Sequence[int],
    vocab_size: int,
    order: int = 5,
) -> float:
    """Nats a token of `test`, by n-grams of `train`, smoothed after Kneser and Ney.

    Takes some 80 to 150 bytes of memory for each token of `train`.

    Args:
        train: ids, at least one.
        test: ids, at least one; the first of them have shorter histories.
        vocab_size: ids are below it.
        order: tokens of the longest n-grams, n; 1 is how frequent each token is.

    Raises:
        DataError: a text is empty, or an id does not fit.
        OptionError: order is below 1.
    """
    return float(-np.log(ngram_probabilities(train, test, vocab_size, order)).mean())


def ngram_probabilities(
    train: NDArray[Any] | Sequence[int],
    test: NDArray[Any] | Sequence[int],
    vocab_size: int,
    order: int = 5,
) -> Floats:
    """The probability of each token of `test` after those before it; see `ngram_nats`."""
    if order < 1:
        raise OptionError(f"n-grams: order is {order}; it is at least 1")
    learned, asked = _ids("train", train, vocab_size), _ids("test", test, vocab_size)
    chances = np.full(len(asked), 1 / vocab_size)
    # One history of no token stands before everything.
    grams = _grams(np.zeros(len(learned), np.int64), learned, vocab_size)
    histories, several = np.zeros(len(asked), np.int64), 1
    for n in range(1, min(order, len(learned)) + 1):
        counts, longer = grams.counts, None
        if n < min(order, len(learned)):
            longer = _grams(_shifted(grams.numbers), learned, vocab_size)
            counts = np.bincount(grams.numbers[longer.first], minlength=len(grams.keys))
        places, seen = _found(grams.keys, histories * vocab_size + asked, histories >= 0)
        followed = _Followed(grams.keys // vocab_size, counts, several)
        chances = followed.chances(histories, np.where(seen, counts[places], 0), chances)
        histories, several = _shifted(np.where(seen, places, -1)), len(grams.keys)
        grams = longer or grams
    return chances


class _Followed:
    """What followed each history of one order.

    Args:
        histories: of each n-gram.
        counts: of each n-gram.
        several: how many histories there are.
    """

    def __init__(self, histories: Numbers, counts: Numbers, several: int) -> None:
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        share = once / (once + 2 * twice) if once else 0.0
        self.discount = min(max(share, LEAST), MOST)
        self.total = np.bincount(histories, counts, several)
        self.different = np.bincount(histories, counts > 0, several)

    def chances(self, histories: Numbers, counts: Numbers, shorter: Floats) -> Floats:
        """By the equation above; by the shorter history alone where this one was never seen."""
        total = np.where(histories >= 0, self.total[histories], 0)
        own = np.maximum(counts - self.discount, 0)
        left = self.discount * self.different[histories] * shorter
        return np.where(total > 0, (own + left) / np.maximum(total, 1), shorter)


def _grams(histories: Numbers, tokens: Numbers, vocab_size: int) -> _Grams:
    """All n-grams of a text, from the number of the history before each token, -1 for none."""
    begin = int(np.argmax(histories >= 0))
    keys, first, inverse, counts = np.unique(
        histories[begin:] * vocab_size + tokens[begin:],
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    return _Grams(keys, first + begin, np.pad(inverse, (begin, 0), constant_values=-1), counts)


def _found(keys: Numbers, wanted: Numbers, sound: NDArray[np.bool_]) -> tuple[Numbers, Any]:
    """Where each wanted key stands, and whether it does."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return places, sound & (keys[places] == wanted)


def _shifted(numbers: Numbers) -> Numbers:
    """The number before each place."""
    return np.concatenate([[-1], numbers[:-1]])


def _ids(name: str, ids: NDArray[Any] | Sequence[int], vocab_size: int) -> Numbers:
    if not len(ids):
        raise DataError(f"n-grams: no token to {name}; it takes some")
    return check_ids(f"n-grams: {name}", ids, vocab_size)
