"""What both estimators of rewriting are: texts in, other texts out."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import pandas as pd

from recurra.data import Pairs, read_pairs
from recurra.errors import DataError, OptionError
from recurra.models import Choice
from recurra.tasks.estimator import Measures
from recurra.tasks.learner import Learner, ready
from recurra.tasks.rewriting.asked import Asked, asked_for
from recurra.tasks.rewriting.fitting import HELD_OUT, Fit
from recurra.tasks.rewriting.learned import Learned
from recurra.tasks.rewriting.lesson import PairLesson
from recurra.tasks.rewriting.parts import divide
from recurra.tasks.rewriting.saying import Manner
from recurra.tasks.rewriting.sides import Sides
from recurra.tasks.rewriting.store import from_run, to_json, to_tensors
from recurra.tasks.rewriting.wishes import Wishes
from recurra.tasks.search import Choices, Range
from recurra.train import Course, Run, save_run

# A file with two columns, two parallel files, or pairs of texts.
Given = str | PathLike[str] | Sequence[Any]
Own = TypeVar("Own", bound="Rewriter")
# Under these headings in a help text; a task adds its own fields.
NETWORK = (
    *("cell", "hidden_size", "embedding_size", "encoder_layers", "decoder_layers"),
    *("attention", "heads", "copy", "coverage", "convolution", "self_attention", "tied", "dropout"),
)
ANSWER = ("beam", "n_best", "alpha")
FILES = ("max_length", "unfit", "errors")
LESSON = ("batch_tokens", "label_smoothing", "sampling")


@dataclass
class Rewriter(Learner):
    """Says one text after reading another; `tokens` is the kind of its vocabularies.

    Pairs are the path of a file with two columns between tabs, two paths of parallel files, or a
    list of pairs of texts.

    After `fit`: `learned_` (network, vocabularies, examples), `history_`, `measures_`.
    """

    tokens: ClassVar[str]
    several: ClassVar[bool] = True
    lines: ClassVar[bool] = True
    flowing: ClassVar[bool] = True

    beam: Annotated[int, "answers that are followed side by side, in predict and when measured"] = 5
    n_best: Annotated[int, "answers that predict gives of each text"] = 1
    alpha: Annotated[float, "how far long answers are made up for their length"] = 0.6
    max_length: Annotated[int, "characters of a text at most"] = 2000
    unfit: Annotated[
        Literal["refuse", "drop"], "pairs with a blank side, or too long: refuse or drop them"
    ] = "refuse"
    errors: Annotated[
        Literal["strict", "replace"], "bytes that are no UTF-8: refuse or replace them"
    ] = "strict"
    cell: Annotated[
        str,
        "recurrent cell: lstm, gru, mingru, … (docs/cells.md)",
        Choices(("lstm", "gru", "mingru")),
    ] = "lstm"
    hidden_size: Annotated[int, "units of the decoder, H; half as many a direction read"] = 512
    embedding_size: Annotated[int, "features of a token"] = 256
    encoder_layers: Annotated[int, "layers that read from both ends", Choices((1, 2))] = 1
    decoder_layers: Annotated[int, "layers that say", Choices((1, 2))] = 1
    attention: Annotated[
        Literal["additive", "dot", "general", "concat", "location", "monotonic", "multi-head"],
        "how the decoder looks back into the source",
        Choices(("additive", "general", "dot")),
    ] = "additive"
    heads: Annotated[int, "of multi-head attention"] = 4
    copy: Annotated[Literal["yes", "no"], "say tokens of the source as they stand, too"] = "no"
    coverage: Annotated[float, "factor of the loss for looking twice; 0 for none"] = 0.0
    convolution: Annotated[int, "tokens that one before the encoder sees; 0 for none"] = 0
    self_attention: Annotated[int, "heads of one between the encoder's layers; 0 for none"] = 0
    tied: Annotated[
        Literal["auto", "none", "target", "all"],
        "tables that are the head's matrix too; auto: all that have the target's vocabulary",
    ] = "auto"
    dropout: Annotated[float, "share of features dropped while learning", Range(0.0, 0.6)] = 0.3
    batch_tokens: Annotated[int, "tokens of both sides in a batch, padding included"] = 2000
    label_smoothing: Annotated[float, "share of a target that is spread over all tokens"] = 0.1
    sampling: Annotated[
        float, "share of inputs that are the network's own words, from half of the epochs on"
    ] = 0.0

    learned_: Learned = field(init=False, repr=False, compare=False)

    def fit(
        self: Own, data: Given, valid: Given | None = None, course: Course | None = None
    ) -> Own:
        """Learn from pairs of texts.

        The last twentieths of the pairs are held out: one to stop learning in time, the last to
        measure the model beside its baselines.

        Args:
            data: the pairs.
            valid: others, held out instead: the first half to stop, the second to measure.
            course: where checkpoints are kept, and who watches.

        Raises:
            DataError: something in the data does not fit; the message names the option.
            MissingPackageError: a package of the extra "text" is needed.
            OptionError: a field has a value that does not fit.
            TrainingError: the loss is not finite.
        """
        plan, course = self.plan(), course or Course()
        manner = self._manner()
        pairs, held = self._read(data, valid)
        self.data_ = {"name": pairs.name, "sha256": pairs.hash()}
        if held is not None:
            self.data_["valid"] = held.hash()
        same = self.data_["sha256"] + self.data_.get("valid", "")
        course = replace(course, same={**course.same, "data": same})
        fit = Fit(divide(pairs, held), pairs.facts, self._sides, self._wishes(), plan, course)
        fitted = fit.run(manner)
        self.learned_ = fitted.learned
        self._keep(fitted.history, fitted.measures, course)
        return self

    def lesson(self, data: Given, valid: Given | None = None) -> PairLesson:
        lesson = self._prepared(data, valid).lesson()
        return ready(lesson, lesson.build, self)

    def settle(self, data: Given, valid: Given | None = None) -> dict[str, Any]:
        self._prepared(data, valid)
        return {}

    def predict(
        self,
        data: Given | Asked | None = None,
        *,
        beam: int | None = None,
        n_best: int | None = None,
        choice: Choice | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """What each text becomes.

        Args:
            data: a file, a text a line, of which what stands before a tab is read; or a list of
                texts. Some that were held out when not given.
            beam: answers that are followed side by side; as the field says when not given.
            n_best: answers of each text; as the field says when not given.
            choice: draw the tokens of each answer so, instead of looking for the likeliest.
            seed: of what is drawn; a text's answers depend on its number too.

        Returns:
            A row an answer: `source`, `target`, `rank` from 1, the best first, or as they were
            drawn, and `score`, the log of its probability, made up for its length.

        Raises:
            DataError: a text does not fit; the message has its number.
            OptionError: beam, n_best or seed does not fit.
        """
        self._need("learned_")
        manner = self._manner(beam, n_best, choice, seed)
        asked = Asked(self.learned_.shown)
        if data is not None:
            asked = asked_for(data, max_length=self.max_length, errors=self.errors)
        return self.learned_.frame(asked, manner)

    def measure(self, data: Given) -> Measures:
        """The scores of answers, and nats a token, beside the baselines.

        Of the pairs of `fit` only those that were held out to test are measured.

        Raises:
            DataError: the model learned from all of them.
        """
        self._need("learned_")
        pairs = self._pairs(data)
        found, test, about = pairs.hash(), pairs, f"on {pairs.name}"
        if found == self.data_.get("valid"):
            test, about = divide(pairs, pairs).test, HELD_OUT
        elif found == self.data_.get("sha256"):
            if "valid" in self.data_:
                raise DataError(
                    f"{pairs.name}: the model learned from all of it; measure on other pairs"
                )
            test, about = divide(pairs, None).test, HELD_OUT
        return self.learned_.measure(test, about, self._manner())

    def to_text(self, answer: pd.DataFrame) -> str:
        """A line an answer; where several are wished of each text, rank, score and answer between
        tabs.
        """
        # Some texts have one answer whatever is wished, such as a blank one.
        alone = self.n_best == 1 and (answer["rank"] == 1).all()
        columns = answer[["rank", "score", "target"]].itertuples(index=False)
        lines = []
        for rank, score, target in columns:
            text = target.replace("\r", " ").replace("\n", " ")
            lines.append(f"{text}\n" if alone else f"{rank}\t{score:.4f}\t{text}\n")
        return "".join(lines)

    def next_command(self, run: Path, data: str) -> str:
        return f"predict {run} {data} --beam 5 -o answers.txt --attention attention.svg"

    def plot(self, answer: pd.DataFrame, path: str | Path, data: Given | None = None) -> None:
        """Draw where the first answer looked in its source.

        Args:
            answer: from `predict`.
            path: a file that ends in .png, .svg or .pdf.
            data: not needed.

        Raises:
            DataError: all sources are blank.
        """
        from recurra.tasks.rewriting.plots import draw_looks

        del data
        self._need("learned_")
        for source, target in answer[["source", "target"]].itertuples(index=False):
            if source.strip():
                draw_looks(Path(path), self.learned_.looks(source, target))
                return
        raise DataError(f"{path}: there is no answer to draw; every text is blank")

    def save(self, folder: str | Path) -> None:
        """Write a run folder, with pictures of the training and of where an answer looked."""
        self._need("learned_")
        run = self._as_run(to_json(self.learned_), to_tensors(self.learned_))
        draw: dict[str, Callable[[Path], None]] = {"training.png": self.plot_history}
        save_run(run, Path(folder), draw)

    @abstractmethod
    def _sides(self, pairs: Pairs) -> Sides:
        """The vocabularies of pairs, as the fields say."""

    def _take(self, run: Run, folder: Path) -> None:
        self.learned_ = from_run(run.learned, run.tensors, folder, self.tokens)

    def _prepared(self, data: Given, valid: Given | None) -> Fit:
        """All that a fit decides before it learns, in silence."""
        plan = replace(self.plan(), quiet=True)
        self._manner()
        pairs, held = self._read(data, valid)
        return Fit(divide(pairs, held), (), self._sides, self._wishes(), plan)

    def _read(self, data: Given, valid: Given | None) -> tuple[Pairs, Pairs | None]:
        return self._pairs(data), None if valid is None else self._pairs(valid)

    def _pairs(self, data: Given) -> Pairs:
        return read_pairs(data, max_length=self.max_length, unfit=self.unfit, errors=self.errors)

    def _manner(
        self,
        beam: int | None = None,
        n_best: int | None = None,
        choice: Choice | None = None,
        seed: int = 0,
    ) -> Manner:
        """How answers are looked for, checked before anything is learned or said."""
        beam = self.beam if beam is None else beam
        n_best = self.n_best if n_best is None else n_best
        if not 1 <= beam <= 1000:
            raise OptionError(f"--beam is {beam}; it is 1 … 1000")
        if choice is None and not 1 <= n_best <= beam:
            raise OptionError(f"--n-best is {n_best}; it is 1 … {beam}, as --beam is {beam}")
        if not 1 <= n_best <= 1000:
            raise OptionError(f"--n-best is {n_best}; it is 1 … 1000")
        if not 0 <= self.alpha <= 100:
            raise OptionError(f"--alpha is {self.alpha}; it lies in 0 … 100")
        return Manner(beam=beam, n_best=n_best, alpha=self.alpha, choice=choice, seed=seed)

    def _wishes(self) -> Wishes:
        return Wishes(**{each.name: getattr(self, each.name) for each in fields(Wishes)})
