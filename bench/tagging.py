"""Parts of speech of English: UD English-ParTUT, its official parts, no vectors from outside.

The tagger learns from the training part with nothing said, stops by the development part, and is
measured once on the test part: the share of all words with the right universal tag.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.rows import Row, wanted
from recurra.data import Sentence, read_conll
from recurra.tasks import Tagger
from recurra.tasks.tag.measure import BY_WORD

FOLDER = Path("tagging") / "ud_english_partut"
PARTS = ("train", "dev", "test")
CASES = {"ParTUT": {}, "ParTUT, crf": {"output": "crf"}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ett` say where the data is; it lies beside the forecasting data."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of every case that is wanted."""
    folder = args.data.parent / FOLDER
    for case, fields in CASES.items():
        if not wanted(case, args.only):
            continue
        if not folder.exists():
            print(f"{case}: {folder} is not there; --data FOLDER says where it is")
            continue
        parts = (read_conll(folder / f"en_partut-ud-{part}.conllu.gz") for part in PARTS)
        for row in rows(case, *parts, fields):
            row.show()
            yield row


def rows(
    case: str,
    train: list[Sentence],
    dev: list[Sentence],
    test: list[Sentence],
    fields: dict[str, Any],
) -> Iterator[Row]:
    """Accuracy on the development and on the test part, and the minutes that it took.

    `Tagger.fit` would test on a half of what validates, so the whole development part is given
    twice: as the half that stops and as the one that is measured.
    """
    begun = time.monotonic()
    tagger = Tagger(**fields).fit(train, valid=[*dev, *dev])
    minutes = (time.monotonic() - begun) / 60
    yield _row(f"{case}, dev", tagger, dev)
    yield _row(f"{case}, test", tagger, test)
    yield Row(case, "minutes to learn", minutes, "min")


def _row(case: str, tagger: Tagger, sentences: list[Sentence]) -> Row:
    found = tagger.measure(sentences)
    baseline = 100 * found.baselines[BY_WORD]["accuracy"]
    return Row(case, "accuracy", 100 * found.metrics["accuracy"], "%", BY_WORD, baseline)
