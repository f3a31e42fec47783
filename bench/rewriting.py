"""Texts rewritten by characters: strings, dates and names, made to order.

A network learns from pairs of one seed and is asked pairs of others, which it never saw.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from bench.rewriting_data import (
    Pair,
    copied_strings,
    dates,
    names_in_sentences,
    reversed_strings,
)
from bench.rows import Row
from recurra.tasks import Transducer
from recurra.tasks.rewriting.scores import exact

Make = Callable[[int, int], list[Pair]]
ASKED, OTHER = 1000, 1_000_003
LOOKED_AT, NEAR = 100, 1


class Case(NamedTuple):
    """How pairs are made, how many are learned from, and how."""

    make: Make
    count: int
    fields: dict[str, Any]
    unseen: Make | None = None


CASES = {
    "reversing strings": Case(reversed_strings, 20_000, {"epochs": 20, "copy": "no"}),
    "copying strings": Case(copied_strings, 20_000, {"epochs": 20}),
    "dates": Case(dates, 5_000, {"epochs": 30}),
    "names": Case(
        names_in_sentences,
        5_000,
        {"epochs": 20},
        lambda count, seed: names_in_sentences(count, seed, unseen=True),
    ),
}


def rewritten(case: str, seed: int) -> Iterator[Row]:
    """Exact matches on what was never seen, beside the best baseline."""
    make, count, fields, unseen = CASES[case]
    begun = time.monotonic()
    model = Transducer(seed=seed, **fields).fit(make(count, seed))
    minutes = (time.monotonic() - begun) / 60
    known = {source for source, _ in make(count, seed)}
    pairs = [pair for pair in (unseen or make)(ASKED, OTHER) if pair[0] not in known]
    found = model.measure(pairs)
    best = max(found.baselines, key=lambda name: found.baselines[name]["exact"])
    beside = found.baselines[best]["exact"]
    yield Row(case, "exact", found.metrics["exact"], "%", best, beside)
    if unseen is not None:
        yield Row(case, "unseen names said", _names_said(model, pairs), "%")
    if make is reversed_strings:
        yield Row(case, "looks within 1 place", _near(model, pairs[:LOOKED_AT]), "%")
    yield Row(case, "minutes of the whole fit", minutes, "min")


def _names_said(model: Transducer, pairs: list[Pair]) -> float:
    """The share of answers in which every word stands that only the true answer brings, exactly."""
    answers = model.predict([source for source, _ in pairs], n_best=1)["target"].tolist()
    wanted = [" ".join(_strange(target)) for _, target in pairs]
    return exact([" ".join(_strange(answer)) for answer in answers], wanted)


def _strange(text: str) -> list[str]:
    """The words that have a letter nobody learned from."""
    return [word for word in text.split() if not word.isascii()]


def _near(model: Transducer, pairs: list[Pair]) -> float:
    """The share of letters said while the mean place looked at was at most 1 off the mirror's."""
    near, count = 0, 0
    for source, target in pairs:
        shares = model.learned_.looks(source, target).shares[: len(target)]
        places = shares @ np.arange(shares.shape[1])
        mirrored = np.arange(len(target))[::-1]
        near += int((np.abs(places - mirrored) <= NEAR).sum())
        count += len(target)
    return 100 * near / count
