"""All that a fitted model of sequences knows, and how it answers from that."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurra.data.signals import Examples, Header, Sequences
from recurra.errors import DataError
from recurra.models import SequenceNetwork
from recurra.tasks.classes.report import ClassReport
from recurra.tasks.estimator import Measures
from recurra.tasks.signals.aims import Aim
from recurra.tasks.signals.baselines import Baseline
from recurra.tasks.signals.fronts import Front
from recurra.tasks.signals.lesson import answer
from recurra.tasks.signals.reports import ValueReport
from recurra.tasks.signals.setting import Setting
from recurra.train import one_thread

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """What `fit` found and learned.

    Args:
        setting: shapes the network.
        network: in evaluation mode.
        front: reads files.
        header: of the sequences that were learned from.
        aim: what is said of a sequence.
        shown: a few that were held out, to answer when nothing is asked.
        baselines: what it is measured beside.
        report: of the part that measured, beside its figures.
    """

    setting: Setting
    network: SequenceNetwork
    front: Front
    header: Header
    aim: Aim
    shown: Sequences
    baselines: tuple[Baseline, ...]
    report: ClassReport | ValueReport | None

    def values(self, sequences: Sequences, name: str) -> Floats:
        """Probabilities (M, K), or numbers (M,).

        Raises:
            DataError: something is missing, and nothing was said of that in `fit`.
        """
        check_missing(sequences, self.setting.missing, name)
        rows = np.arange(len(sequences))
        return self.aim.values(answer(self.network, sequences, rows))

    def frame(self, sequences: Sequences, name: str) -> pd.DataFrame:
        """Each sequence, or each of its steps, and what is said of it."""
        values = self.values(sequences, name)
        told: dict[str, Any] = {"name": list(sequences.names)}
        if self.setting.per_step:
            told = {
                "name": np.repeat(np.array(sequences.names, object), sequences.lengths),
                "step": np.concatenate([np.arange(length) for length in sequences.lengths]),
            }
        return pd.DataFrame({**told, **self.aim.columns(values)})

    def reported(self, examples: Examples) -> ClassReport | ValueReport:
        """What there is to say of the answers to some examples beside their figures."""
        values = self.values(examples.sequences, examples.name)
        lengths = examples.sequences.lengths if examples.per_step else None
        return self.aim.report(values, self.aim.answers(examples), lengths)

    def measured(self, examples: Examples, about: str) -> Measures:
        """The figures of some examples, beside those of the baselines."""
        values = self.values(examples.sequences, examples.name)
        with one_thread():
            beside = {one.name: one.answer(examples.sequences) for one in self.baselines}
        return self.aim.measured(values, self.aim.answers(examples), beside, about)


def check_missing(sequences: Sequences, missing: str, name: str) -> None:
    """Refuse what is missing where nobody said what it becomes.

    Args:
        missing: what becomes of it; "refuse" or "none" for nothing.
        name: where the sequences come from, for messages.

    Raises:
        DataError: names the first place, and the choices.
    """
    if missing not in ("refuse", "none"):
        return
    for number in range(len(sequences)):
        holes = np.isnan(sequences.row(number))
        if holes.any():
            step, channel = np.argwhere(holes)[0]
            count = int(np.isnan(sequences.values).sum())
            more = f", the first of {count:,}" if count > 1 else ""
            raise DataError(
                f'{name}: sequence "{sequences.names[number]}", step {step}, channel '
                f'"{sequences.channels[channel]}" is missing (NaN){more}; train with '
                "--missing mark, interpolate, mean or cell, which say what becomes of it"
            )
