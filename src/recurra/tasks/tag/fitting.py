"""From sentences to what can be known about them: the course of a fit."""

import sys
from dataclasses import dataclass, replace

from recurra.data import Sentence
from recurra.tasks.encoder import Encoder, read_encoder
from recurra.tasks.estimator import Measures
from recurra.tasks.tag.baselines import MostFrequent
from recurra.tasks.tag.coding import code
from recurra.tasks.tag.learned import Learned
from recurra.tasks.tag.network import SentenceLesson
from recurra.tasks.tag.sentences import Parts
from recurra.tasks.tag.setting import Setting, check_tags
from recurra.tasks.tag.spans import Rules, is_entities, kept, rules
from recurra.tasks.tag.vocabulary import Vocabulary
from recurra.train import Course, History, Plan

SHOWN_TAGS = 8
# Held-out sentences that are kept to be shown: no more than these, and of no more words.
EXAMPLES, EXAMPLE_WORDS = 12, 30
HELD_OUT = "on what was held out"
NO_COURSE = Course()


@dataclass(frozen=True)
class Wishes:
    """What the user said about the fit."""

    setting: Setting
    lowercase: bool
    min_count: int
    batch_size: int
    seed: int
    encoder: str | None = None


@dataclass(frozen=True)
class Fitted:
    """The outcome of a fit."""

    learned: Learned
    history: History
    measures: Measures


class Fit:
    """One fit: decides, teaches, measures, and says so line by line.

    Args:
        name: of the data.
        parts: sentences to learn from, to validate and to test on.
        wishes: what the user said.
        plan: how long and how fast to learn.
        course: where checkpoints are kept, and who watches.
    """

    def __init__(
        self, name: str, parts: Parts, wishes: Wishes, plan: Plan, course: Course = NO_COURSE
    ) -> None:
        self.parts, self.wishes, self.plan, self.course = parts, wishes, plan, course
        self.begun = None if wishes.encoder is None else read_encoder(wishes.encoder)
        if self.begun is not None:
            self.course = replace(course, same={**course.same, "encoder": self.begun.hash})
        every = [*parts.train, *parts.valid, *parts.test]
        self._say("found", f"{name}: {_counted(every)}")
        self.vocabulary = Vocabulary.of(
            parts.train,
            {tag for each in every for tag in each.tags},
            lowercase=wishes.lowercase,
            min_count=wishes.min_count,
        )
        check_tags(self.vocabulary.tags, wishes.setting.output)
        self.rules = self._rules()
        self._say_model()

    def run(self) -> Fitted:
        """Teach the network, then measure it."""
        network, history = self.lesson().teach(self.plan, self.course)
        self._say(
            "learned",
            f"{len(history.epochs)} epochs in {history.epochs[-1].seconds:.0f} s, ended by "
            f"{history.ended}; kept epoch {history.best.epoch}",
        )
        learned = Learned(
            setting=self.wishes.setting,
            vocabulary=self.vocabulary,
            rules=self.rules,
            network=network,
            encoder=self.encoder,
            baseline=MostFrequent.fit(self.parts.train),
            examples=_examples(self.parts.test),
        )
        return Fitted(learned, history, learned.measure(self.parts.test, HELD_OUT))

    @property
    def encoder(self) -> Encoder | None:
        """Of a language model that reads the words too."""
        return None if self.begun is None else self.begun.encoder

    def lesson(self) -> SentenceLesson:
        """What the network learns from; it is not built yet."""
        return SentenceLesson(
            self.wishes.setting,
            self.vocabulary,
            self.rules,
            code(self.vocabulary, self.parts.train, encoder=self.encoder),
            code(self.vocabulary, self.parts.valid, encoder=self.encoder),
            self.wishes.batch_size,
            self.wishes.seed,
            self.begun,
        )

    def _rules(self) -> Rules | None:
        """Of entities, where all that is learned from or validated on keeps to them."""
        tags = self.vocabulary.tags
        if self.wishes.setting.output != "crf" or not is_entities(tags):
            return None
        found = rules(tags)
        seen = (each.tags for each in [*self.parts.train, *self.parts.valid])
        return found if kept(found, tags, seen) else None

    def _say_model(self) -> None:
        setting, vocabulary = self.wishes.setting, self.vocabulary
        tags = vocabulary.tags
        shown = ", ".join(tags[:SHOWN_TAGS]) + (", …" if len(tags) > SHOWN_TAGS else "")
        kind = "tags of entities" if is_entities(tags) else "tags"
        self._say("tags", f"{len(tags)} {kind}: {shown}")
        layers = f"{setting.num_layers} layers" if setting.num_layers > 1 else "1 layer"
        self._say(
            "model",
            f"{setting.cell} of {setting.hidden_size} from both ends, {layers}, "
            f"{setting.output}; {len(vocabulary.words):,} words, {len(vocabulary.letters):,} "
            f"letters; {setting.weights(vocabulary, self.encoder):,} weights",
        )
        if self.begun is not None:
            self._say("encoder", self.begun.told())

    def _say(self, what: str, fact: str) -> None:
        if not self.plan.quiet:
            print(f"{what:<9} {fact}", file=sys.stderr, flush=True)


def _counted(sentences: list[Sentence]) -> str:
    words = sum(len(each.words) for each in sentences)
    return f"{len(sentences):,} sentences of {words:,} words"


def _examples(sentences: list[Sentence]) -> tuple[Sentence, ...]:
    """The first of them, cut where they are long."""
    return tuple(
        Sentence(each.words[:EXAMPLE_WORDS], each.tags[:EXAMPLE_WORDS])
        for each in sentences[:EXAMPLES]
    )
