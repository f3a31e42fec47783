"""A language model taught for some minutes and measured on a text, beside what was published."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from bench.rows import Row
from recurra.tasks import LanguageModel

Text = Path | TextIO


def rows(
    case: str, model: LanguageModel, texts: tuple[Text, Text | None, Text], published: Mapping
) -> Iterator[Row]:
    """What the model reaches, beside the best baseline and each published figure.

    Args:
        model: not taught yet.
        texts: to learn from, to validate on where that is not the end of the first, and to test.
        published: `{metric: {whose: figure}}`.
    """
    training, valid, test = texts
    begun = time.monotonic()
    model.fit(training, valid)
    minutes = (time.monotonic() - begun) / 60
    measures = model.measure(test)
    for metric, figures in published.items():
        value = measures.metrics[metric]
        best = min(measures.baselines, key=lambda name: measures.baselines[name][metric])
        for whose, figure in {best: measures.baselines[best][metric], **figures}.items():
            yield Row(case, metric, value, "", whose, figure)
    best = model.history_.best
    yield Row(case, "validation", best.valid_loss, f"nats, epoch {best.epoch}")
    last = model.history_.epochs[-1]
    yield Row(case, "minutes of the whole fit", minutes, f"min, {last.steps} steps")


def found(path: Path) -> bool:
    """Whether a file is there; said where it is not."""
    if not path.exists():
        print(f"{path} is not there; --data FOLDER says where the forecasting data beside it is")
    return path.exists()
