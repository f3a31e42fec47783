"""What both estimators of sequences are: numbers over time in, a class or a number out."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurra.data.signals import Examples, Header, Sequences, joined
from recurra.errors import DataError, OptionError
from recurra.tasks.classes.report import ClassReport
from recurra.tasks.estimator import Measures
from recurra.tasks.learner import Learner, ready
from recurra.tasks.signals.aims import AIMS
from recurra.tasks.signals.because import because
from recurra.tasks.signals.chunks import in_chunks
from recurra.tasks.signals.fields import SequenceFields
from recurra.tasks.signals.fitting import Fit
from recurra.tasks.signals.fronts import Front
from recurra.tasks.signals.given import (
    are_arrays,
    check_answered,
    hash_of,
    name_of,
    plain,
    together,
)
from recurra.tasks.signals.learned import Learned
from recurra.tasks.signals.lesson import SignalLesson
from recurra.tasks.signals.mattering import Mattering
from recurra.tasks.signals.reading import read_examples
from recurra.tasks.signals.reports import Draw, ValueReport, drawn
from recurra.tasks.signals.store import from_run, to_json, to_tensors
from recurra.tasks.signals.stream import SequenceStream
from recurra.train import Course, Run, save_run, write_whole

Own = TypeVar("Own", bound="SequenceEstimator")
Floats = NDArray[np.float64]
# The part of an archive that is answered where none is named, not that which was learned from.
ASKED = "test"


@dataclass
class SequenceEstimator(SequenceFields, Learner):
    """Learns what is to be said of sequences of numbers; `aim` is the kind of that.

    Data are the path of a table, an NPZ archive or a folder, a pandas or polars frame, or in the
    manner of scikit-learn X, y and maybe groups: X is a list of arrays (T, F) or (T,), or an array
    (B, T, F).

    After `fit`: `learned_` (network, front end, answers), `history_`, `measures_`.
    """

    aim: ClassVar[str]

    learned_: Learned = field(init=False, repr=False, compare=False)

    def fit(
        self: Own,
        data: Any,
        y: Any = None,
        groups: Any = None,
        *,
        valid: Any = None,
        course: Course | None = None,
    ) -> Own:
        """Learn from sequences and their answers.

        A tenth of the sequences is held out to stop in time, another tenth to measure the model
        beside its baselines; a group is never split.

        Args:
            data: a file, a folder or a frame with answers; or X.
            y: the answers of X.
            groups: who each sequence of X comes from.
            valid: others, held out instead: half for the one, half for the other; as `data`, or
                (X, y) or (X, y, groups).
            course: where checkpoints are kept, and who watches.

        Raises:
            DataError: something in the data does not fit; the message names the option.
            OptionError: a field has a value that does not fit.
            TrainingError: the loss is not finite.
        """
        data, course = together(data, y, groups), course or Course()
        plan, wishes = self.plan(), self._wishes()
        examples, learned, front = self._read(data, valid)
        self.data_ = {"name": name_of(data), "sha256": hash_of(examples)}
        course = replace(course, same={**course.same, "data": self.data_["sha256"]})
        own = self._own(data)
        fit = Fit(examples, learned, front, AIMS[self.aim], own, wishes, plan, course)
        fitted = fit.run()
        self.learned_ = fitted.learned
        self._keep(fitted.history, fitted.measures, course)
        return self

    def lesson(self, data: Any, valid: Any = None) -> SignalLesson:
        lesson = self._prepared(data, valid).lesson()
        return ready(lesson, lesson.build, self)

    def settle(self, data: Any, valid: Any = None) -> dict[str, Any]:
        found = self._prepared(data, valid)
        return {"hidden_size": found.setting.hidden_size, "batch_size": found.batch_size}

    def predict(self, data: Any = None) -> Any:
        """What is said of each sequence, or of each step.

        Args:
            data: a list of arrays, or an array (B, T, F); a file, a folder or a frame; a few
                held-out sequences of `fit` when not given.

        Returns:
            Of a list or an array, an array of answers, (M,), as scikit-learn has it. Of anything
            else a frame: `name`, where each step is answered `step` from 0, and what is said.
        """
        self._need("learned_")
        if data is None:
            return self.learned_.frame(self.learned_.shown, "what was held out")
        data = plain(data)
        if (whole := in_chunks(self.learned_, data)) is not None:
            return whole
        sequences, name = self._sequences(data)
        if are_arrays(data):
            return self.learned_.aim.said(self.learned_.values(sequences, name))
        return self.learned_.frame(sequences, name)

    def score(self, data: Any, y: Any = None) -> float:
        """Accuracy of classes, or R² of numbers.

        Args:
            data: a file, a folder or a frame with answers; or X.
            y: the answers of X.
        """
        self._need("learned_")
        examples = self._examples(together(data, y, None))
        values = self.learned_.values(examples.sequences, examples.name)
        return self.learned_.aim.score(values, self.learned_.aim.answers(examples))

    def measure(self, data: Any) -> Measures:
        """The model's figures beside its baselines, on sequences with answers."""
        self._need("learned_")
        examples = self._examples(data)
        about = f"on {len(examples):,} sequences of {examples.name}"
        return self.learned_.measured(examples, about)

    def stream(self, rows: int = 1) -> SequenceStream:
        """What is said after each step of sequences that go on.

        Args:
            rows: sequences side by side.

        Raises:
            UnsupportedError: an answer needs the whole sequence.
        """
        self._need("learned_")
        return SequenceStream(self.learned_, rows)

    def to_text(self, answer: pd.DataFrame) -> str:
        """As CSV, with the digits that float32 has."""
        return str(answer.to_csv(index=False, float_format="%.8g"))

    def next_command(self, run: Path, data: str) -> str:
        return f"predict {run} {data} -o answers.csv --plot answers.png"

    def save(self, folder: str | Path) -> None:
        """Write a run folder, with a report and pictures."""
        self._need("learned_")
        run = self._as_run(to_json(self.learned_), to_tensors(self.learned_))
        draw: Draw = {"training.png": self.plot_history}
        if self.learned_.report is not None:
            draw |= {"report.txt": self._write_report, **drawn(self.learned_.report)}
        save_run(run, Path(folder), draw)

    def because(self, data: Any, name: str) -> Mattering:
        """Which channels and steps of one sequence mattered to what is said of it.

        Args:
            data: as in `predict`; what was held out in `fit` where None.
            name: of the sequence; that of an array is its number.

        Raises:
            OptionError: no sequence has this name.
        """
        self._need("learned_")
        if data is None:
            return because(self.learned_, self.learned_.shown, name, "what was held out")
        sequences, where = self._sequences(data)
        return because(self.learned_, sequences, name, where)

    def plot(self, answer: pd.DataFrame, path: str | Path, data: Any = None) -> None:
        """Draw answers; of sequences with answers of their own, those against these.

        Args:
            answer: the frame that `predict` gives of a file.
            path: a file that ends in .png, .svg or .pdf.
            data: what was given to `predict`.
        """
        from recurra.tasks.signals.drawing import draw_answers

        self._need("learned_")
        report = self._compared(data)
        if report is None:
            draw_answers(Path(path), answer)
        elif isinstance(report, ClassReport):
            from recurra.tasks.classes.plots import draw_confusion

            draw_confusion(Path(path), report.table, report.classes)
        else:
            from recurra.tasks.signals.plots import draw_values

            draw_values(Path(path), report)

    @property
    def n_features_in_(self) -> int:
        """Channels of a sequence, F."""
        self._need("learned_")
        return len(self.learned_.header.channels)

    @abstractmethod
    def _own(self, data: Any) -> Mapping[str, Any]:
        """What the task says of its answers."""

    def _compared(self, data: Any) -> ClassReport | ValueReport | None:
        """A report of sequences that have answers of their own; None where they have none."""
        if data is None:
            return None
        try:
            return self.learned_.reported(self._examples(data))
        except (DataError, OptionError):
            return None

    def _write_report(self, path: Path) -> None:
        """The figures beside those of the baselines, and what else there is to say, as text."""
        measures, report = self.measures_, self.learned_.report
        rows = {"model": measures.metrics, **measures.baselines}
        lines = [f"measured {measures.about}"]
        for name, row in rows.items():
            figures = ", ".join(f"{figure} {value:.4g}" for figure, value in row.items())
            lines.append(f"{name}: {figures}")
        more = "" if report is None else f"\n{report.text()}\n"
        text = "\n".join([*lines, f"verdict: {measures.verdict}\n"]) + more
        write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))

    def _take(self, run: Run, folder: Path) -> None:
        self.learned_ = from_run(run.learned, run.tensors, folder, self.aim)

    def _prepared(self, data: Any, valid: Any) -> Fit:
        """All that a fit decides before it learns, in silence."""
        plan, wishes = replace(self.plan(), quiet=True), self._wishes()
        examples, learned, front = self._read(data, valid)
        return Fit(examples, learned, front, AIMS[self.aim], self._own(data), wishes, plan)

    def _read(self, data: Any, valid: Any) -> tuple[Examples, int, Front]:
        """The examples, those of `valid` behind them; how many are not; and what read them."""
        check_answered(data, type(self).__name__)
        first, front = read_examples(data, self._reading(self.aim))
        first = self._timed(first)
        if valid is None:
            return first, len(first), front
        check_answered(valid, type(self).__name__)
        reading = replace(self._reading(self.aim), labels=None)
        second, _ = read_examples(valid, reading, front, Header.of(first.sequences))
        facts = first.facts + second.facts
        return replace(joined([first, second]), facts=facts), len(first), front

    def _timed(self, examples: Examples) -> Examples:
        if self.uneven == "seen":
            return examples
        return replace(examples, sequences=replace(examples.sequences, gaps=None))

    def _examples(self, data: Any) -> Examples:
        """Sequences with answers, read as those of `fit` were."""
        check_answered(data, type(self).__name__)
        learned = self.learned_
        reading = replace(self._reading(self.aim), usual=ASKED)
        return read_examples(data, reading, learned.front, learned.header)[0]

    def _sequences(self, data: Any) -> tuple[Sequences, str]:
        """Sequences alone, read as those of `fit` were, and where they come from."""
        reading = replace(self._reading(None), labels=None, usual=ASKED)
        found, _ = read_examples(plain(data), reading, self.learned_.front, self.learned_.header)
        return found.sequences, found.name
