"""From pairs of texts to what can be known about them: the course of a fit."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from recurra.data import Pairs
from recurra.models import Seq2Seq
from recurra.models.build_seq2seq import PLACED
from recurra.tasks.estimator import Measures
from recurra.tasks.rewriting.learned import Learned
from recurra.tasks.rewriting.lesson import PairLesson
from recurra.tasks.rewriting.measure import SCORING
from recurra.tasks.rewriting.memory import Memory
from recurra.tasks.rewriting.parts import Parts
from recurra.tasks.rewriting.saying import Manner
from recurra.tasks.rewriting.setting import Setting
from recurra.tasks.rewriting.sides import Sides
from recurra.tasks.rewriting.wishes import Wishes
from recurra.train import Course, History, Plan

# Held-out sources that are kept to be shown.
SHOWN = 8
# Of the tokens of the longest source that was learned from: what a network with places bears.
ROOM = 1.25
HELD_OUT = "on what was held out"
NO_COURSE = Course()
UNITS = {"bpe": "pieces", "characters": "characters"}


@dataclass(frozen=True)
class Fitted:
    """The outcome of a fit."""

    learned: Learned
    history: History
    measures: Measures


class Fit:
    """One fit: decides, teaches, measures, and says so line by line.

    Args:
        parts: pairs to learn from, to validate and to test on.
        facts: what was found in the data.
        make_sides: learns the vocabularies of some pairs.
        wishes: what the user said.
        plan: how long and how fast to learn.
        course: where checkpoints are kept, and who watches.

    Raises:
        DataError, MissingPackageError, OptionError: as `fit_sides` and `build_seq2seq`.
    """

    def __init__(
        self,
        parts: Parts,
        facts: tuple[str, ...],
        make_sides: Callable[[Pairs], Sides],
        wishes: Wishes,
        plan: Plan,
        course: Course = NO_COURSE,
    ) -> None:
        self.parts, self.wishes, self.plan, self.course = parts, wishes, plan, course
        for fact in facts:
            self._say("found", fact)
        self._say(
            "split",
            f"{len(parts.train):,} pairs to learn from, {len(parts.valid):,} to validate, "
            f"{len(parts.test):,} to test",
        )
        self.sides = make_sides(parts.train)
        self.setting = self._setting()
        self._say_model()

    def run(self, manner: Manner) -> Fitted:
        """Teach the network, then measure it.

        Args:
            manner: how the answers are looked for that are measured.
        """
        network, history = self.lesson().teach(self.plan, self.course)
        self._say(
            "learned",
            f"{len(history.epochs)} epochs in {history.epochs[-1].seconds:.0f} s, ended by "
            f"{history.ended}; kept epoch {history.best.epoch}",
        )
        learned = Learned(
            setting=self.setting,
            sides=self.sides,
            network=network,
            memory=Memory.of(self.parts.train, SCORING[self.sides.source.kind].features),
            shown=self.parts.test.sources[:SHOWN],
        )
        return Fitted(learned, history, learned.measure(self.parts.test, HELD_OUT, manner))

    def lesson(self) -> PairLesson:
        """What the network learns from; it is not built yet."""
        wishes = self.wishes
        return PairLesson(
            self._build,
            self.sides,
            self.parts.train,
            self.parts.valid,
            batch_tokens=wishes.batch_tokens,
            seed=wishes.seed,
            score=SCORING[self.sides.source.kind].by,
            smoothing=wishes.label_smoothing,
            sampling=wishes.sampling,
            rising=max(1, self.plan.epochs // 2),
        )

    def _build(self) -> Seq2Seq:
        return self.setting.build(self.sides)

    def _setting(self) -> Setting:
        wishes = self.wishes
        every = (self.parts.train, self.parts.valid, self.parts.test)
        longest = max(len(self.sides.read(text).ids) for part in every for text in part.sources)
        tied = wishes.tied
        if tied == "auto":
            tied = "all" if self.sides.joint else "target"
        return Setting(
            cell=wishes.cell,
            hidden_size=wishes.hidden_size,
            embedding_size=wishes.embedding_size,
            encoder_layers=wishes.encoder_layers,
            decoder_layers=wishes.decoder_layers,
            attention=wishes.attention,
            heads=wishes.heads,
            dropout=wishes.dropout,
            tied=tied,
            copy=wishes.copy == "yes",
            coverage=wishes.coverage,
            convolution=wishes.convolution,
            self_attention=wishes.self_attention,
            places=round(ROOM * longest) if _needs_places(wishes) else 0,
        )

    def _say_model(self) -> None:
        sides, setting = self.sides, self.setting
        unit = UNITS[sides.source.kind]
        counted = f"{len(sides.source):,} {unit} of both sides"
        if not sides.joint:
            counted = f"{len(sides.source):,} {unit} to read, {len(sides.target):,} to say"
        self._say("tokens", counted)
        read, said = (_layers(n) for n in (setting.encoder_layers, setting.decoder_layers))
        self._say(
            "model",
            f"{setting.cell} of {setting.hidden_size}: {read} from both ends, {said} with "
            f"{setting.attention} attention{' that copies' if setting.copy else ''}; "
            f"{setting.weights(sides):,} weights",
        )

    def _say(self, what: str, fact: str) -> None:
        if not self.plan.quiet:
            print(f"{what:<9} {fact}", file=sys.stderr, flush=True)


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count > 1)}"


def _needs_places(wishes: Wishes) -> bool:
    """Whether the network's state has a number for each place of a source."""
    return wishes.attention in PLACED or wishes.coverage > 0
