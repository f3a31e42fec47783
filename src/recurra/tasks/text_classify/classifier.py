"""The estimator."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from recurra.data import LabelOptions, read_labelled, read_texts
from recurra.errors import DataError, OptionError
from recurra.tasks.classes.labels import numbers_of
from recurra.tasks.classes.metrics import confusion
from recurra.tasks.estimator import Measures
from recurra.tasks.learner import Learner, ready
from recurra.tasks.learning import LEARNING
from recurra.tasks.parameters import Names
from recurra.tasks.search import Choices, Range
from recurra.tasks.text_classify.fitting import Fit, Wishes
from recurra.tasks.text_classify.learned import Learned
from recurra.tasks.text_classify.measure import measured
from recurra.tasks.text_classify.network import TextLesson
from recurra.tasks.text_classify.sample import write_sample
from recurra.tasks.text_classify.sources import Texts, hash_of, joined, name_of, several
from recurra.tasks.text_classify.store import from_run, to_json, to_tensors
from recurra.train import Course, Run, save_run

MOST_BATCH = 65_536


@dataclass
class TextClassifier(Learner):
    """Tells the classes of texts, with probabilities and the words that mattered.

    Texts with labels are the path of a CSV, TSV or JSONL file, a pandas or polars frame, or a pair
    of lists, `(texts, labels)`. What is not said is found in the file, and told in a line.

    After `fit`: `learned_` (network, words, counts, calibration), `history_`, `measures_`.
    """

    task: ClassVar[str] = "text-classify"
    loss: ClassVar[str] = "log loss, nats"
    lines: ClassVar[bool] = True
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the file": ("text", "label", "missing", "errors"),
        "the words": ("keep_case", "min_count", "most_words"),
        "the network": (
            *("cell", "hidden_size", "num_layers", "word_size", "char_size", "pooling"),
            *("dropout", "word_dropout", "encoder"),
        ),
        "the learning": ("batch_size", "class_weights", "label_smoothing", *LEARNING),
    }

    text: Annotated[str | None, "column of texts; found when not given"] = None
    label: Annotated[str | None, "column of labels; found when not given"] = None
    missing: Annotated[
        Literal["refuse", "drop"], "rows without a text or a label: refuse or drop them"
    ] = "refuse"
    errors: Annotated[
        Literal["strict", "replace"], "bytes that are no UTF-8: refuse or replace them"
    ] = "strict"
    keep_case: Annotated[bool, "tell capital letters from small ones"] = False
    min_count: Annotated[int, "times a word comes before it has a vector of its own"] = 2
    most_words: Annotated[int, "words of a text that are read, from its beginning"] = 400
    cell: Annotated[
        str,
        "recurrent cell: gru, lstm, mingru, … (docs/cells.md)",
        Choices(("gru", "lstm", "mingru")),
    ] = "gru"
    hidden_size: Annotated[int, "units of each direction, H", Choices((32, 64, 128))] = 64
    num_layers: Annotated[int, "layers on top of one another", Choices((1, 2))] = 1
    word_size: Annotated[int, "features of a word's vector", Choices((50, 100, 200))] = 100
    char_size: Annotated[int, "features of a letter; 0 reads words whole"] = 0
    pooling: Annotated[Names, "how a text is summed up: mean, max, attention"] = (
        "mean",
        "max",
        "attention",
    )
    dropout: Annotated[float, "share of features dropped while learning", Range(0.0, 0.7)] = 0.5
    word_dropout: Annotated[
        float, "share of words taken for unknown while learning", Range(0.0, 0.6)
    ] = 0.4
    encoder: Annotated[
        str | None, "run folder of a language model, which reads in the place of words and cell"
    ] = None
    class_weights: Annotated[
        Literal["auto", "balanced", "none"],
        "whether rare classes count more; auto where one has three times the texts of another",
    ] = "auto"
    label_smoothing: Annotated[float, "share of a target that all classes have alike"] = 0.0
    batch_size: Annotated[int, "texts per step", Choices((16, 32, 64))] = 32
    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = field(default=2e-3, kw_only=True)
    average: Annotated[float | None, "what a running mean of the weights keeps a step"] = field(
        default=0.995, kw_only=True
    )

    learned_: Learned = field(init=False, repr=False, compare=False)

    def fit(
        self, data: Texts, valid: Texts | None = None, course: Course | None = None
    ) -> "TextClassifier":
        """Learn from texts and their labels.

        A tenth of each class is held out to stop in time and to calibrate, another tenth to
        measure the model beside its baselines.

        Args:
            data: the texts.
            valid: others, held out instead: half for the one, half for the other.
            course: where checkpoints are kept, and who watches.

        Raises:
            DataError: something in the data does not fit; the message names the option.
            OptionError: a field has a value that does not fit.
            TrainingError: the loss is not finite.
        """
        plan, course = self.plan(), course or Course()
        self._check()
        found, parts = joined(data, valid, self._options(), self.seed)
        self.data_ = {"name": name_of(data), "sha256": hash_of(found)}
        course = replace(course, same={**course.same, "data": self.data_["sha256"]})
        fitted = Fit(found, parts, self.wishes(), plan, course).run()
        self.learned_ = fitted.learned
        self._keep(fitted.history, fitted.measures, course)
        return self

    def lesson(self, data: Texts, valid: Texts | None = None) -> TextLesson:
        lesson = self._prepared(data, valid).lesson()
        return ready(lesson, lesson.build, self)

    def settle(self, data: Texts, valid: Texts | None = None) -> dict[str, Any]:
        self._prepared(data, valid)
        return {}

    def wishes(self) -> Wishes:
        """The fields that a fit takes, checked.

        Raises:
            OptionError: one has a value that does not fit.
        """
        return Wishes(
            cell=self.cell,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            word_size=self.word_size,
            char_size=self.char_size,
            pooling=several(self.pooling),
            dropout=self.dropout,
            word_dropout=self.word_dropout,
            class_weights=self.class_weights,
            label_smoothing=self.label_smoothing,
            min_count=self.min_count,
            keep_case=self.keep_case,
            most_words=self.most_words,
            batch_size=self.batch_size,
            seed=self.seed,
            encoder=self.encoder,
        )

    def predict(self, data: Any = None) -> pd.DataFrame:
        """The class of each text.

        Args:
            data: a list of texts, a file or a frame; a few held-out texts of `fit` when not
                given.

        Returns:
            A frame: `text`, `label`, `confidence` (the probability of that label), `because` (the
            words without which it would fall most), and `p_…`, the probability of each class.
        """
        self._need("learned_")
        if data is None:
            return self.learned_.frame(self.learned_.shown)
        options = replace(self._options(), text=self.text or self.learned_.text)
        return self.learned_.frame(read_texts(data, options).texts)

    def to_text(self, answer: pd.DataFrame) -> str:
        """As CSV, with the digits that float32 has."""
        return str(answer.to_csv(index=False, float_format="%.8g"))

    def next_command(self, run: Path, data: str) -> str:
        return f"predict {run} {data} -o labels.csv --plot labels.png"

    def measure(self, data: Texts) -> Measures:
        """Accuracy, macro F1, log loss and calibration error on texts with labels."""
        self._need("learned_")
        found = read_labelled(data, self._known())
        corpus = self.learned_.reader.read(found.texts)
        labels = numbers_of(found.labels, self.learned_.classes, found.name)
        about = f"on {len(labels):,} texts of {found.name}"
        return measured(self.learned_, corpus, np.arange(len(labels)), labels, about)[0]

    def plot(self, answer: pd.DataFrame, path: str | Path, data: Any = None) -> None:
        """Draw the probabilities of the first answers; of labelled texts, label against answer.

        Args:
            answer: from `predict`.
            path: a file that ends in .png, .svg or .pdf.
            data: what was given to `predict`.
        """
        from recurra.tasks.classes.plots import draw_confusion
        from recurra.tasks.text_classify.plots import draw_answer

        self._need("learned_")
        labels = self._labels(data, len(answer))
        if labels is None:
            draw_answer(Path(path), answer)
            return
        classes = self.learned_.classes
        said = numbers_of(answer["label"].tolist(), classes, "the answer")
        draw_confusion(Path(path), confusion(said, labels, len(classes)), classes)

    def save(self, folder: str | Path) -> None:
        """Write a run folder, with pictures of the training and of what was taken for what."""
        from recurra.tasks.classes.plots import draw_confusion

        self._need("learned_")
        learned = self.learned_
        run = self._as_run(to_json(learned), to_tensors(learned))
        draw: dict[str, Callable[[Path], None]] = {
            "training.png": self.plot_history,
            "confusion.png": lambda path: draw_confusion(path, learned.confusion, learned.classes),
        }
        save_run(run, Path(folder), draw)

    def _take(self, run: Run, folder: Path) -> None:
        self.learned_ = from_run(run.learned, run.tensors, folder)

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write a few reviews of a bakery, good and bad; their path."""
        return write_sample(Path(folder))

    def _prepared(self, data: Texts, valid: Texts | None) -> Fit:
        """All that a fit decides before it learns, in silence."""
        plan = replace(self.plan(), quiet=True)
        self._check()
        found, parts = joined(data, valid, self._options(), self.seed)
        return Fit(found, parts, self.wishes(), plan)

    def _check(self) -> None:
        """What nothing else sees before it costs all memory or trips."""
        for name, (least, most) in {"batch_size": (1, MOST_BATCH), "seed": (0, 2**63 - 1)}.items():
            value = getattr(self, name)
            if not least <= value <= most:
                flag = name.replace("_", "-")
                raise OptionError(f"--{flag} is {value}; it is {least} … {most}")

    def _options(self) -> LabelOptions:
        return LabelOptions(self.text, self.label, self.missing, self.errors)

    def _known(self) -> LabelOptions:
        """The columns by the names that they had in `fit`."""
        learned = self.learned_
        return replace(
            self._options(), text=self.text or learned.text, label=self.label or learned.label
        )

    def _labels(self, data: Any, count: int) -> np.ndarray | None:
        """The labels of what was answered, where it has some."""
        try:
            found = read_labelled(data, self._known())
            labels = numbers_of(found.labels, self.learned_.classes, found.name)
        except (DataError, OptionError):
            return None
        return labels if len(labels) == count else None
