"""From a text to what can be known about it: the course of a fit."""

import sys
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from recurra.data import Text, Vocabulary, fit_vocabulary, split_tokens
from recurra.errors import DataError, OptionError, UnknownTokenError
from recurra.models import LanguageNetwork
from recurra.tasks.estimator import Measures
from recurra.tasks.language.learned import KEPT, Learned
from recurra.tasks.language.measure import measured
from recurra.tasks.language.setting import MANY, WIDEST, Setting
from recurra.tasks.language.sizes import begun_with, fitting, probed, told
from recurra.tasks.language.store import read_model, weights_hash
from recurra.tasks.language.texts import (
    Files,
    Given,
    Read,
    Stored,
    characters_in,
    count_of,
    hash_of,
    read,
)
from recurra.tasks.language.wishes import Wishes
from recurra.train import Course, History, Plan, Truncated, this_part, train

# A text with fewer tokens is none to learn from.
FEWEST = 100
SEPARATED = {"file": "files", "line": "lines", "paragraph": "paragraphs"}


@dataclass(frozen=True)
class Fitted:
    """The outcome of a fit."""

    learned: Learned
    history: History
    measures: Measures


class Fit:
    """One fit: reads, decides, teaches, measures, and says so line by line.

    Args:
        data: the text.
        valid: a text to validate and test on; the end of `data` when not given.
        wishes: what the user said.
        plan: how long and how fast to learn.
        course: where checkpoints are kept, and who watches.
    """

    def __init__(
        self, data: Given, valid: Given | None, wishes: Wishes, plan: Plan, course: Course
    ) -> None:
        self.wishes, self.plan = wishes, plan
        self.begun = None if wishes.begin is None else read_model(wishes.begin, "--begin")
        files = Files(data)
        self.name = files.name
        self.vocabulary, self.text = self._read(files)
        self._held = None if valid is None else Files(valid)
        self.training, self.validation, self.test = self._divide()
        self.setting = self._shape()
        self.hash = hash_of(self.vocabulary, self.training, self.validation, self.test)
        self.streams, self.window = self._sizes(course)
        same = {"data": self.hash}
        if wishes.probe:
            same["sizes"] = told(self.streams, self.window)
        if self.begun is not None:
            same["begin"] = weights_hash(self.begun.network.state_dict())
        self.course = replace(course, same={**course.same, **same})

    def run(self) -> Fitted:
        """Teach the network, then measure it."""
        with torch.random.fork_rng(devices=[]):
            network = self.build()
            history = train(self.lesson(network), self.plan, self.course)
        self._say(
            "learned",
            f"{len(history.epochs)} epochs in {history.epochs[-1].seconds:.0f} s, ended by "
            f"{history.ended}; kept epoch {history.best.epoch}",
        )
        tail = np.asarray(self.training[max(0, len(self.training) - KEPT) :], np.int32)
        learned = Learned(self.setting, self.vocabulary, network, self.text.separated, tail)
        about = f"on the end of {self.name}, held out"
        if self._held is not None:
            about = f"on the second half of {self._held.name}"
        return Fitted(learned, history, measured(learned, self._part(self.test), about))

    def build(self) -> LanguageNetwork:
        """The network as it begins; draws from torch's random state, which it seeds."""
        torch.manual_seed(self.wishes.seed)
        network = self.setting.build()
        if self.begun is not None:
            network.load_state_dict(self.begun.network.state_dict())
        return network

    def lesson(self, network: LanguageNetwork) -> Truncated:
        """What a network learns from."""
        return self._lesson(network, self.streams, self.window)

    def _lesson(self, network: LanguageNetwork, streams: int, window: int) -> Truncated:
        return Truncated(
            network,
            self.training,
            streams=streams,
            window=window,
            valid=self.validation,
            separator=self.vocabulary.separator if self.text.separated else None,
            variable=self.wishes.variable,
            label_smoothing=self.wishes.label_smoothing,
            seed=self.wishes.seed,
        )

    def _read(self, files: Files) -> tuple[Vocabulary, Read]:
        """What a token is, and the text in tokens."""
        wishes = self.wishes
        if self.begun is None:
            text = Text(files.paths, wishes.errors)
            vocabulary = fit_vocabulary(wishes.tokens, text, wishes.vocab_size, wishes.lowercase)
        else:
            vocabulary = self.begun.vocabulary
        found = self._ids(files, vocabulary)
        characters = characters_in(files, wishes.errors)
        said = f"{files.name}: {characters:,} characters, {len(found.ids):,} tokens; "
        said += f"{vocabulary.kind}, a vocabulary of {len(vocabulary):,}"
        if found.separated:
            documents = count_of(found.ids, vocabulary.separator)
            said += f"; {documents:,} {SEPARATED[wishes.document]}, each a document"
        self._say("found", said)
        if unknown := count_of(found.ids, vocabulary.unknown):
            share = unknown / len(found.ids)
            self._say("unknown", f"{unknown:,} tokens are not in the vocabulary, {share:.1%}")
        return vocabulary, found

    def _ids(self, files: Files, vocabulary: Vocabulary) -> Read:
        """A text in tokens; a vocabulary that was learned elsewhere need not know all of them."""
        wishes = self.wishes
        try:
            return read(files, vocabulary, wishes.document, wishes.errors)
        except UnknownTokenError:
            if self.begun is None:
                raise
            return read(files, vocabulary, wishes.document, "replace")

    def _divide(self) -> tuple[Stored, Stored, Stored]:
        """What is learned from, validated and tested on."""
        if len(self.text.ids) < FEWEST:
            raise DataError(
                f"{self.name}: {len(self.text.ids)} tokens ({self.vocabulary.kind}); a language "
                f"model takes {FEWEST} or more: give a longer text, or several files"
            )
        ends = (self.vocabulary.separator, self.vocabulary.newline)
        if self._held is None:
            share = self.wishes.held_out / 2
            parts = split_tokens(self.text.ids, share, share, ends)
            training: Stored = parts.train
        else:
            held = self._ids(self._held, self.vocabulary)
            half = split_tokens(held.ids, 0.0, 0.5, ends)
            parts, training = half._replace(valid=half.train), self.text.ids
        self._say(
            "split",
            f"{len(training):,} tokens to learn from, {len(parts.valid):,} to validate on, "
            f"{len(parts.test):,} to test on",
        )
        return training, parts.valid, parts.test

    def _part(self, ids: Stored) -> Read:
        return self.text._replace(ids=ids)

    def _shape(self) -> Setting:
        """The network's shape: as wished, or that of the model that it begins with."""
        setting = self._wished() if self.begun is None else self.begun.setting
        if setting.adaptive and self.wishes.label_smoothing:
            raise OptionError("--label-smoothing does not go with --softmax adaptive; drop one")
        said = f"{setting.cell} of {setting.hidden_size}"
        said += f", {setting.num_layers} layers" if setting.num_layers > 1 else ""
        said += f" on a table of {setting.vocab_size:,} x {setting.embedding_size}"
        said += ", tied" * setting.tied + ", adaptive softmax" * setting.adaptive
        said += f"; {setting.weights():,} weights"
        self._say("model", f"{said}, from {self.wishes.begin}" if self.begun else said)
        return setting

    def _wished(self) -> Setting:
        wishes, size = self.wishes, len(self.vocabulary)
        between = wishes.layer_dropout
        adaptive = wishes.softmax == "adaptive" or (
            wishes.softmax == "auto" and size > MANY and not wishes.label_smoothing
        )
        pieces = self.vocabulary.kind in ("words", "bpe")
        tied = wishes.tied == "yes" or (wishes.tied == "auto" and pieces and not adaptive)
        adaptive = adaptive and not (tied and wishes.softmax == "auto")
        width = wishes.hidden_size if tied else min(wishes.hidden_size, WIDEST)
        return Setting(
            vocab_size=size,
            cell=wishes.cell,
            hidden_size=wishes.hidden_size,
            num_layers=wishes.num_layers,
            embedding_size=wishes.embedding_size or width,
            tied=tied,
            adaptive=adaptive,
            dropout=wishes.dropout,
            layer_dropout=wishes.dropout if between is None else between,
            embedding_dropout=wishes.embedding_dropout,
            input_dropout=wishes.input_dropout,
            weight_dropout=wishes.weight_dropout,
            activation_penalty=wishes.activation_penalty,
            temporal_penalty=wishes.temporal_penalty,
        )

    def _sizes(self, course: Course) -> tuple[int, int]:
        """Streams and window: as wished, smaller ones for a short text, or those of a probe."""
        wishes, tokens = self.wishes, len(self.training)
        if wishes.probe and this_part().of > 1:
            raise OptionError("--probe is for one process alone; give --streams and --window")
        if wishes.probe and course.resume:
            return begun_with(course)
        if wishes.probe:
            with torch.random.fork_rng(devices=[]):
                found = probed(partial(self._lesson, self.build()), tokens, self.plan.recipe)
            self._say("probed", found.said)
            return found.streams, found.window
        streams, window = fitting(tokens, wishes.streams, wishes.window, variable=wishes.variable)
        if (streams, window) != (wishes.streams, wishes.window):
            self._say(
                "streams",
                f"{streams}, windows of {window} tokens: the text is short for {wishes.streams} "
                f"and {wishes.window}",
            )
        return streams, window

    def _say(self, what: str, fact: str) -> None:
        say(self.plan, what, fact)


def say(plan: Plan, what: str, fact: str) -> None:
    """Tell a fact in a line, unless the plan is quiet."""
    if not plan.quiet:
        print(f"{what:<9} {fact}", file=sys.stderr, flush=True)
