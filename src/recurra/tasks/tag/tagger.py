"""The estimator."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pandas as pd

from recurra.data import Sentence
from recurra.errors import DataError, OptionError
from recurra.tasks.estimator import Measures
from recurra.tasks.learner import Learner, ready
from recurra.tasks.learning import LEARNING
from recurra.tasks.search import Choices, Range
from recurra.tasks.tag.fitting import HELD_OUT, Fit, Wishes
from recurra.tasks.tag.learned import Learned
from recurra.tasks.tag.network import SentenceLesson
from recurra.tasks.tag.sample import write_sample
from recurra.tasks.tag.sentences import (
    Columns,
    Parts,
    Tagged,
    Untagged,
    divide,
    hash_of,
    name_of,
    tagged,
    untagged,
)
from recurra.tasks.tag.setting import Setting
from recurra.tasks.tag.store import from_run, to_json, to_tensors
from recurra.train import Course, Run, save_run


@dataclass
class Tagger(Learner):
    """Gives every word of a sentence a tag: parts of speech, names of people and places.

    Sentences are the path of a CoNLL-U or CoNLL file, or a list of pairs (words, tags).

    After `fit`: `learned_` (network, vocabulary), `history_` (the epochs), `measures_`.
    """

    task: ClassVar[str] = "tag"
    loss: ClassVar[str] = "-log p of the true tags, nats a word"
    lines: ClassVar[bool] = True
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the answer": ("output",),
        "the file": ("column", "word_column"),
        "the words": ("cased", "min_count", "word_size", "char_size"),
        "the network": (
            *("cell", "hidden_size", "num_layers", "dropout", "word_dropout", "encoder"),
        ),
        "the learning": ("batch_size", *LEARNING),
    }

    output: Annotated[
        Literal["softmax", "crf"],
        "each word's tag alone, or all tags of a sentence together, as entities need",
    ] = "softmax"
    column: Annotated[
        int | None, "column of tags, from 1; UPOS in CoNLL-U, the last in CoNLL when not given"
    ] = None
    word_column: Annotated[
        int | None, "column of words, from 1; 2 in CoNLL-U, 1 in CoNLL when not given"
    ] = None
    cased: Annotated[bool, "words that differ in capitals alone are two words"] = False
    min_count: Annotated[int, "words that come less often are taken for unknown"] = 1
    word_size: Annotated[int, "features of a word's own vector", Choices((32, 64, 128))] = 64
    char_size: Annotated[
        int, "features of a letter, and units that read letters", Choices((16, 32, 64))
    ] = 64
    cell: Annotated[
        str,
        "recurrent cell: lstm, gru, mingru, … (docs/cells.md)",
        Choices(("lstm", "gru", "mingru")),
    ] = "lstm"
    hidden_size: Annotated[int, "units of each direction, H", Choices((64, 128, 256))] = 128
    num_layers: Annotated[int, "recurrent layers", Choices((1, 2))] = 1
    dropout: Annotated[float, "share of features dropped for a sentence", Range(0.0, 0.6)] = 0.4
    word_dropout: Annotated[
        float, "share of words taken for unknown while learning", Range(0.0, 0.4)
    ] = 0.2
    encoder: Annotated[
        str | None, "run folder of a language model, whose layers read the words too"
    ] = None
    batch_size: Annotated[int, "sentences per step", Choices((8, 16, 32))] = 16
    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = field(default=2e-3, kw_only=True)
    epochs: Annotated[int, "most passes over the data"] = field(default=20, kw_only=True)
    schedule: Annotated[
        Literal["decay", "constant", "cosine", "one-cycle", "plateau"],
        "of the rate; cosine falls to 0 over all epochs",
        Choices(("decay", "cosine")),
    ] = field(default="cosine", kw_only=True)

    learned_: Learned = field(init=False, repr=False, compare=False)

    def fit(
        self, data: Tagged, valid: Tagged | None = None, course: Course | None = None
    ) -> "Tagger":
        """Learn from sentences with tags.

        The last tenths of the sentences are held out: one to stop learning in time, the last to
        measure the model beside its baselines.

        Args:
            data: the sentences.
            valid: others, held out instead: the first half to stop, the second to measure.
            course: where checkpoints are kept, and who watches.

        Raises:
            DataError: something in the data does not fit; the message names the option.
            OptionError: a field has a value that does not fit.
            TrainingError: the loss is not finite.
        """
        plan, course = self.plan(), course or Course()
        wishes = self._wishes()
        parts, self.data_ = self._read(data, valid)
        same = self.data_["sha256"] + self.data_.get("valid", "")
        course = replace(course, same={**course.same, "data": same})
        fitted = Fit(name_of(data), parts, wishes, plan, course).run()
        self.learned_ = fitted.learned
        self._keep(fitted.history, fitted.measures, course)
        return self

    def lesson(self, data: Tagged, valid: Tagged | None = None) -> SentenceLesson:
        lesson = self._prepared(data, valid).lesson()
        return ready(lesson, lesson.build, self)

    def settle(self, data: Tagged, valid: Tagged | None = None) -> dict[str, Any]:
        self._prepared(data, valid)
        return {}

    def predict(self, data: Untagged | None = None) -> pd.DataFrame:
        """The tag of every word.

        Args:
            data: a CoNLL file, whose tags are not looked at, or sentences: lists of words, or texts
                with blanks between words. Some that were held out when not given.

        Returns:
            A row a word: `sentence`, counted from 0, `word`, `tag`, and `confidence`, the
            probability that the model gives this tag.
        """
        self._need("learned_")
        return self.learned_.tag(self._untagged(data))

    def tags(self, data: Untagged | None = None) -> list[list[str]]:
        """The tags of every sentence; the argument is that of `predict`."""
        self._need("learned_")
        return self.learned_.tags(self._untagged(data))

    def measure(self, data: Tagged) -> Measures:
        """Accuracy, and F1 of entities, on sentences with tags, beside the baselines.

        Of the sentences of `fit` only those that were held out to test are measured.

        Raises:
            DataError: the model learned from all of them.
        """
        self._need("learned_")
        sentences = tagged(data, self._columns())
        found = hash_of(sentences)
        if found == self.data_.get("valid"):
            return self.learned_.measure(divide(sentences, sentences).test, HELD_OUT)
        if found != self.data_.get("sha256"):
            return self.learned_.measure(sentences, f"on {name_of(data)}")
        if "valid" in self.data_:
            raise DataError(
                f"{name_of(data)}: the model learned from all of it; measure on other sentences"
            )
        return self.learned_.measure(divide(sentences, None).test, HELD_OUT)

    def to_text(self, answer: pd.DataFrame) -> str:
        """As CoNLL: a word and its tag a line, a blank line behind each sentence."""
        lines, before = [], None
        for sentence, word, tag in answer[["sentence", "word", "tag"]].itertuples(index=False):
            if before not in (None, sentence):
                lines.append("\n")
            lines.append(f"{word}\t{tag}\n")
            before = sentence
        return "".join([*lines, "\n"]) if lines else ""

    def next_command(self, run: Path, data: str) -> str:
        return f"predict {run} {data} -o tags.conll --plot tags.png"

    def plot(self, answer: pd.DataFrame, path: str | Path, data: Untagged | None = None) -> None:
        """Draw sentences with the tags of their words as colours.

        Args:
            answer: from `predict`; its first sentences are drawn.
            path: a file that ends in .png, .svg or .pdf.
            data: not needed.
        """
        from recurra.tasks.tag.plots import draw_tags

        del data
        self._need("learned_")
        draw_tags(Path(path), answer, self.learned_.vocabulary.tags)

    def save(self, folder: str | Path) -> None:
        """Write a run folder, with pictures of the training and of some sentences."""
        from recurra.tasks.tag.plots import draw_tags

        self._need("learned_")
        run = self._as_run(to_json(self.learned_), to_tensors(self.learned_))
        answer, tags = self.predict(), self.learned_.vocabulary.tags
        draw: dict[str, Callable[[Path], None]] = {
            "training.png": self.plot_history,
            "tags.png": lambda path: draw_tags(path, answer, tags),
        }
        save_run(run, Path(folder), draw)

    def _take(self, run: Run, folder: Path) -> None:
        self.learned_ = from_run(run.learned, run.tensors, folder)

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write made sentences with parts of speech as CoNLL-U; its path."""
        return write_sample(Path(folder))

    def _prepared(self, data: Tagged, valid: Tagged | None) -> Fit:
        """All that a fit decides before it learns, in silence."""
        plan, wishes = replace(self.plan(), quiet=True), self._wishes()
        return Fit(name_of(data), self._read(data, valid)[0], wishes, plan)

    def _read(self, data: Tagged, valid: Tagged | None) -> tuple[Parts, dict[str, str]]:
        """The parts, and what is kept about where they came from."""
        sentences = tagged(data, self._columns())
        others = None if valid is None else tagged(valid, self._columns())
        about = {"name": name_of(data), "sha256": hash_of(sentences)}
        if others is not None:
            about["valid"] = hash_of(others)
        return divide(sentences, others), about

    def _columns(self) -> Columns:
        return Columns(self.column, self.word_column)

    def _untagged(self, data: Untagged | None) -> list[Sentence]:
        examples = list(self.learned_.examples)
        return examples if data is None else untagged(data, self._columns())

    def _wishes(self) -> Wishes:
        """What the fields say, checked where nothing else sees it in time."""
        ranges = {"batch_size": (1, 65_536), "min_count": (1, 2**31), "seed": (0, 2**63 - 1)}
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                flag = name.replace("_", "-")
                raise OptionError(f"--{flag} is {value}; it is {least} … {most}")
        setting = Setting(
            cell=self.cell,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            word_size=self.word_size,
            char_size=self.char_size,
            dropout=self.dropout,
            word_dropout=self.word_dropout,
            output=self.output,
        )
        return Wishes(
            setting, not self.cased, self.min_count, self.batch_size, self.seed, self.encoder
        )
