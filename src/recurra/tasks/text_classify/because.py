"""The words that mattered: what happens to the answer when they are left out.

    importance of a span = log p(class | text) - log p(class | text without the span)

A span is one word, or in a text of more than `MOST_SPANS` words a run of neighbours. Leaving words
out asks the whole model, the counts in it too, and needs no gradient.

Source: Li, Monroe and Jurafsky, "Understanding Neural Networks through Representation Erasure",
2016, arXiv:1612.08220, section 3.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.text_classify.corpus import Corpus

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
MOST_SPANS = 32
NAMED = 3
# Texts whose spans are answered at once.
TEXTS = 500


def because(
    corpus: Corpus, logarithms: Floats, ask: Callable[[Sequence[Indices]], Floats]
) -> list[str]:
    """The spans that spoke most for the likeliest class of each text, between commas.

    Args:
        corpus: the texts.
        logarithms: (N, K) log p of each text.
        ask: gives (M, K) log p of other texts of the same words.
    """
    said = logarithms.argmax(axis=1)
    found: list[str] = []
    for low in range(0, len(corpus.texts), TEXTS):
        texts = corpus.texts[low : low + TEXTS]
        spans = [np.array_split(np.arange(len(t)), min(len(t), MOST_SPANS) or 1) for t in texts]
        without = [
            np.delete(text, span)
            for text, parts in zip(texts, spans, strict=True)
            for span in parts
        ]
        answers = iter(ask(without))
        for place, (text, parts) in enumerate(zip(texts, spans, strict=True), start=low):
            label = said[place]
            falls = np.array([logarithms[place, label] - next(answers)[label] for _ in parts])
            found.append(", ".join(_named(corpus, text, parts, falls)))
    return found


def _named(corpus: Corpus, text: Indices, spans: list[Indices], falls: Floats) -> list[str]:
    best = np.argsort(-falls, kind="stable")[:NAMED]
    words = [
        " ".join(corpus.distinct[word] for word in text[spans[s]]) for s in best if falls[s] > 0
    ]
    return list(dict.fromkeys(words))
