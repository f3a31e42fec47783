"""Characters of Shakespeare: nats a character of the last tenth, the state carried through it.

Learned from is the first nine tenths alone. What is watched while learning is cut out of their
middle: plays differ in their names, and the text before the last tenth is of the same play.

Sources: karpathy/nanoGPT, README (its validation loss is a mean over windows, without a state);
Feng et al., "Were RNNs All We Needed?", 2024, arXiv:2410.01201, table 4.
"""

import argparse
from collections.abc import Iterator
from io import StringIO
from typing import Any, TextIO

from bench.language import found, rows
from bench.rows import Row, wanted
from recurra.tasks import LanguageModel

SHARE, WATCHED = 0.9, (0.50, 0.53)
PUBLISHED = {
    "nats": {
        "nanoGPT, 6 layers": 1.4697,
        "minGRU": 1.548,
        "minLSTM": 1.555,
        "Mamba": 1.575,
    }
}
SHARED: dict[str, Any] = {
    "tokens": "characters",
    "epochs": 1000,
    "patience": 1000,
    "window": 64,
}
# By the minutes that the whole fit may take: reading and measuring included. The longer one ends
# before they are over, for with more epochs it learns by heart.
RECIPES: dict[int, dict[str, Any]] = {
    3: {"minutes": 2.85, "hidden_size": 768, "dropout": 0.2, "learning_rate": 3e-3},
    15: {
        "minutes": 14.8,
        "epochs": 8,
        "hidden_size": 1024,
        "dropout": 0.4,
        "learning_rate": 2e-3,
        "warmup": 0.02,
        "average": 0.998,
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `capability` say by which seed, and how long instead of the recipes."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """What is reached in so many minutes."""
    path = args.data.parent / "language_modelling" / "tinyshakespeare" / "input.txt"
    for minutes, recipe in RECIPES.items():
        case = f"shakespeare, {minutes} minutes"
        if not wanted(case, args.only) or not found(path):
            continue
        model = LanguageModel(seed=args.seed, **{**SHARED, **recipe})
        model.minutes = args.minutes or model.minutes
        for row in rows(case, model, _parts(path.read_text(encoding="utf-8")), PUBLISHED):
            row.show()
            yield row


def _parts(text: str) -> tuple[TextIO, TextIO, TextIO]:
    """What is learned from, watched and tested on."""
    low, high, end = (int(share * len(text)) for share in (*WATCHED, SHARE))
    return StringIO(text[:low] + text[high:end]), StringIO(text[low:high]), StringIO(text[end:])
