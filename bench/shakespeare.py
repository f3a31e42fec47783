"""Characters of Shakespeare: nats a character of the last tenth, the state carried through it.

Learned from is the first nine tenths alone, whose own end is held out to stop by.

Sources: karpathy/nanoGPT, README (its validation loss is a mean over windows, without a state);
Feng et al., "Were RNNs All We Needed?", 2024, arXiv:2410.01201, table 4.
"""

import argparse
from collections.abc import Iterator
from io import StringIO
from typing import Any

from bench.language import found, rows
from bench.rows import Row, wanted
from recurra.tasks import LanguageModel

CASE, SHARE = "shakespeare", 0.9
PUBLISHED = {
    "nats": {
        "nanoGPT, 6 layers": 1.4697,
        "minGRU": 1.548,
        "minLSTM": 1.555,
        "Mamba": 1.575,
    }
}
# The minutes end it.
RECIPE: dict[str, Any] = {"tokens": "characters", "epochs": 1000, "patience": 1000}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `capability` say how long and by which seed."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """What the default model reaches in so many minutes."""
    path = args.data.parent / "language_modelling" / "tinyshakespeare" / "input.txt"
    if not wanted(CASE, args.only) or not found(path):
        return
    text = path.read_text(encoding="utf-8")
    cut = int(SHARE * len(text))
    model = LanguageModel(minutes=args.minutes, seed=args.seed, **RECIPE)
    for row in rows(CASE, model, (StringIO(text[:cut]), None, StringIO(text[cut:])), PUBLISHED):
        row.show()
        yield row
