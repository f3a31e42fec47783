"""The table of the model beside its baselines, on the same tokens.

    nats            the mean of -log p over all tokens
    bits_per_char   the sum of -log2 p over all tokens, by the characters of the text
    perplexity      e to the mean nats

The characters of a text in words are those of its words, one for the blank between two of them, one
for each newline, and the five of `<unk>` for a word that is unknown.
"""

import math
from collections.abc import Iterator

import numpy as np
from rich.console import Console

from recurra.data.ngram import ngram_nats
from recurra.tasks.estimator import Measures
from recurra.tasks.language.learned import KEPT, Learned
from recurra.tasks.language.texts import Read, characters_of, count_of
from recurra.train import progress_bar

MODEL = "model"
# The longest n-grams that are counted, by kind of vocabulary; of characters else.
ORDERS = {"words": 3, "bpe": 3}
ORDER = 5
# No number of nats a token makes a perplexity that is not finite.
MOST_NATS = 700.0


def measured(learned: Learned, read: Read, about: str) -> Measures:
    """What the model and its baselines make of a text.

    Args:
        learned: the model, and the tokens that baselines count.
        read: the text.
        about: what it is, for people.
    """
    count = len(read.ids)
    characters = characters_of(read.ids, learned.vocabulary)
    total = math.fsum(_sums(learned, read, about))
    table = {MODEL: _row(total / count, count, characters)}
    for name, nats in _baselines(learned, read).items():
        table[name] = _row(nats, count, characters)
    said = verdict(table)
    about += f": {count:,} tokens, {characters:,} characters{_unknown(learned, read)}"
    if count > KEPT:
        about += f"; the baselines on the first {KEPT:,} tokens"
    return Measures(table.pop(MODEL), table, about, said)


def verdict(table: dict[str, dict[str, float]]) -> str:
    """One sentence: whether the model beats its best baseline, or loses, or is level with it."""
    nats = {name: row["nats"] for name, row in table.items()}
    mine = nats.pop(MODEL)
    best = min(nats, key=lambda name: nats[name])
    if f"{mine:.2f}" == f"{nats[best]:.2f}":
        return f"the model and the best baseline, {best}, are level: {mine:.2f} nats a token"
    if mine < nats[best]:
        return (
            f"the model wins: {mine:.2f} nats a token against {nats[best]:.2f} of the best "
            f"baseline, {best}"
        )
    return f"the baseline {best} wins: {nats[best]:.2f} nats a token against the model's {mine:.2f}"


def _sums(learned: Learned, read: Read, about: str) -> Iterator[float]:
    """The nats of each part of a text; a bar shows on a terminal how far it is."""
    with progress_bar(Console(stderr=True)) as bar:
        task = bar.add_task(f"measuring {about}", total=len(read.ids))
        for part in learned.nats(read.ids):
            bar.advance(task, len(part))
            yield float(part.sum(dtype=np.float64))


def _row(nats: float, tokens: int, characters: int) -> dict[str, float]:
    return {
        "nats": nats,
        "bits_per_char": nats * tokens / math.log(2) / max(1, characters),
        "perplexity": math.exp(min(nats, MOST_NATS)),
    }


def _baselines(learned: Learned, read: Read) -> dict[str, float]:
    """Nats a token of how frequent each one is, and of n-grams."""
    order = ORDERS.get(learned.vocabulary.kind, ORDER)
    test, size = np.asarray(read.ids[: min(KEPT, len(read.ids))]), len(learned.vocabulary)
    return {
        name: ngram_nats(learned.tail, test, size, n)
        for name, n in {"unigram": 1, f"{order}-gram": order}.items()
    }


def _unknown(learned: Learned, read: Read) -> str:
    """What is said of tokens that are unknown."""
    unknown = count_of(read.ids, learned.vocabulary.unknown)
    if not unknown:
        return ""
    named = f" ({', '.join(map(repr, read.strange))})" if read.strange else ""
    return f", {unknown:,} of the tokens unknown{named}"
