"""Words of the Penn Treebank: perplexity of the test file, ends of lines included, state carried.

Its validation file is cut in two: one half says when to stop, the other is not used.

Sources: Mikolov and Zweig, "Context Dependent Recurrent Neural Network Language Model", 2012
(Kneser-Ney); Zaremba, Sutskever and Vinyals, "Recurrent Neural Network Regularization", 2014,
arXiv:1409.2329, table 1; Merity, Keskar and Socher, 2018, arXiv:1708.02182, table 1.
"""

import argparse
from collections.abc import Iterator
from typing import Any

from bench.language import found, rows
from bench.rows import Row, wanted
from recurra.tasks import LanguageModel

CASE, VOCABULARY = "ptb", 10_000
PUBLISHED = {
    "perplexity": {
        "Kneser-Ney 5-gram": 141.2,
        "LSTM, small": 114.5,
        "LSTM, medium": 82.7,
        "LSTM, large": 78.4,
        "AWD-LSTM": 58.8,
    }
}
# The minutes end it.
RECIPE: dict[str, Any] = {
    "tokens": "words",
    "vocab_size": VOCABULARY,
    "hidden_size": 512,
    "num_layers": 2,
    "dropout": 0.4,
    "layer_dropout": 0.3,
    "input_dropout": 0.4,
    "embedding_dropout": 0.1,
    "weight_dropout": 0.3,
    "learning_rate": 5e-3,
    "warmup": 0.05,
    "streams": 32,
    "window": 70,
    "minutes": 29.5,
    "epochs": 1000,
    "patience": 1000,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `capability` say by which seed, and how long instead of half an hour."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """What a model of two layers reaches in so many minutes."""
    folder = args.data.parent / "language_modelling" / "ptb"
    train, valid, test = (folder / f"ptb.{name}.txt.gz" for name in ("train", "valid", "test"))
    if not wanted(CASE, args.only) or not found(train):
        return
    model = LanguageModel(seed=args.seed, **RECIPE)
    model.minutes = args.minutes or model.minutes
    for row in rows(CASE, model, (train, valid, test), PUBLISHED):
        row.show()
        yield row
