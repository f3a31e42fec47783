"""All that a fitted rewriter knows, and how it answers from that."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from recurra.data import Pairs
from recurra.errors import DataError
from recurra.models import Seq2Seq
from recurra.tasks.estimator import Measures
from recurra.tasks.rewriting.asked import Asked
from recurra.tasks.rewriting.batch import code
from recurra.tasks.rewriting.looks import END, Looks, by_words
from recurra.tasks.rewriting.measure import COPY, MEMORY, MODEL, compare
from recurra.tasks.rewriting.memory import Memory
from recurra.tasks.rewriting.saying import Answer, Manner, mean_nats, say
from recurra.tasks.rewriting.setting import Setting
from recurra.tasks.rewriting.sides import Sides
from recurra.train import one_thread

COLUMNS = ["source", "target", "rank", "score"]
FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True)
class Learned:
    """What `fit` found and learned.

    Args:
        setting: shapes the network.
        sides: its vocabularies.
        network: in evaluation mode.
        memory: examples that were learned from, for the baseline.
        shown: a few held-out sources, to answer when nothing is asked.
    """

    setting: Setting
    sides: Sides
    network: Seq2Seq
    memory: Memory
    shown: tuple[str, ...]

    def frame(self, asked: Asked, manner: Manner) -> pd.DataFrame:
        """A row an answer: `source`, `target`, `rank` from 1, `score`.

        Raises:
            DataError: a text has more tokens than the network has places for, or characters that
                it can neither read nor copy.
        """
        self._check_characters(asked)
        rows = [
            (text, answer.text, rank, answer.score)
            for text, answers in zip(asked.texts, self._say(asked, manner), strict=True)
            for rank, answer in enumerate(answers, start=1)
        ]
        return pd.DataFrame(rows, columns=COLUMNS)

    def looks(self, source: str, target: str) -> Looks:
        """Where the network looks in the source while it says the target and ends.

        Args:
            source: a text with something in it.
            target: another one.
        """
        coded = code(self.sides, [source], [target])
        ids = coded.target(FIRST).ids[0, :-1].tolist()
        read, said = self.sides.source_names(source), self.sides.names(ids, coded.strange[0])
        with torch.inference_mode(), one_thread():
            speaker = self.network.speaker(coded.source(FIRST))
            rows = []
            for token in (self.sides.end, *ids):
                speaker.step(torch.tensor([token]))
                rows.append(speaker.shares[0, : len(read)].float().numpy())
        shares = np.stack(rows)
        if self.sides.source.kind == "characters":
            return Looks(read, (*said, END), shares)
        return by_words(read, (*said, f" {END}"), shares)

    def measure(self, pairs: Pairs, about: str, manner: Manner) -> Measures:
        """The model beside its baselines."""
        said = self._say(Asked(pairs.sources, pairs.name, "source"), replace(manner, n_best=1))
        answers = {
            MODEL: [best.text for best, *_ in said],
            MEMORY: self.memory.answer(pairs.sources),
            COPY: pairs.sources,
        }
        coded = code(self.sides, pairs.sources, pairs.targets)
        with one_thread():
            nats = mean_nats(self.network, coded)
        kind = self.sides.source.kind
        return compare(kind, answers, pairs.targets, nats=nats, about=about)

    def _say(self, asked: Asked, manner: Manner) -> list[list[Answer]]:
        self._check_lengths(asked)
        with one_thread():
            return say(self.network, self.sides, asked.texts, manner, first=asked.first)

    def _check_characters(self, asked: Asked) -> None:
        unknown = self.sides.source.unknown
        if unknown is None or self.sides.copies:
            return
        for number, text in enumerate(asked.texts):
            places = np.flatnonzero(self.sides.read(text).ids == unknown)
            if len(places):
                letter = text[places[0]]
                raise DataError(
                    f"{asked.where(number)}: {letter!r} (U+{ord(letter):04X}) at character "
                    f"{places[0]} was never learned; train with examples of it, or with --copy yes"
                )

    def _check_lengths(self, asked: Asked) -> None:
        """Refuse what the network has no places for.

        Raises:
            DataError: naming the text by its number.
        """
        most = self.setting.places
        if not most:
            return
        for number, text in enumerate(asked.texts):
            if text.strip() and (count := len(self.sides.read(text).ids)) > most:
                raise DataError(
                    f"{asked.where(number)} has {count:,} tokens, the model was made for {most:,}; "
                    "cut it, or train with --attention additive and no --coverage"
                )
