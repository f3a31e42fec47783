"""The estimator."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields, replace
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch

from recurra.errors import OptionError
from recurra.tasks.estimator import Measures
from recurra.tasks.language.fitting import Fit, say
from recurra.tasks.language.learned import Learned
from recurra.tasks.language.measure import measured
from recurra.tasks.language.presets import changes
from recurra.tasks.language.sample import write_sample
from recurra.tasks.language.scoring import STEPS, Scored
from recurra.tasks.language.store import from_run, to_json, to_tensors
from recurra.tasks.language.texts import Files, Given, read, read_leniently
from recurra.tasks.language.wishes import Wishes
from recurra.tasks.language.writing import Writing
from recurra.tasks.learning import LEARNING, Learning
from recurra.tasks.search import Choices, Range
from recurra.train import Course, Plan, Run, Tokens, Truncated, save_run

# Tokens of the text that a run folder shows.
SAMPLE = 600


@dataclass
class LanguageModel(Writing):
    """Learns what comes next in a text.

    A text is the path of a UTF-8 file, plain or `.gz`, or several of them, or an open text. What is
    not said is found in it, and told in a line.

    After `fit`: `learned_` (network, vocabulary), `vocabulary_`, `history_` (the epochs),
    `measures_`.
    """

    task: ClassVar[str] = "language"
    loss: ClassVar[str] = "nats a token; in training\nwith noise and penalties"
    several: ClassVar[bool] = True
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the text": ("tokens", "vocab_size", "lowercase", "document", "errors", "held_out"),
        "the network": (
            *("cell", "hidden_size", "num_layers", "embedding_size", "tied", "softmax"),
            *("dropout", "layer_dropout", "input_dropout", "embedding_dropout", "weight_dropout"),
            *("activation_penalty", "temporal_penalty", "begin"),
        ),
        "the learning": (
            *("preset", "streams", "window", "variable", "probe", "label_smoothing"),
            *LEARNING,
        ),
    }

    tokens: Annotated[
        Literal["auto", "bytes", "characters", "words", "bpe"],
        "what a text is cut into; auto: characters up to 1,000 different ones, else bpe",
    ] = "auto"
    vocab_size: Annotated[int | None, "most words or pieces (10,000 words, 8,192 pieces)"] = None
    lowercase: Annotated[bool, "put words into small letters"] = False
    document: Annotated[
        Literal["file", "line", "paragraph"], "what begins without a past: the state starts anew"
    ] = "file"
    errors: Annotated[
        Literal["strict", "replace"], "bytes that are no UTF-8: refuse them, or read U+FFFD"
    ] = "strict"
    held_out: Annotated[
        float, "share at the end that is not learned from: half to validate, half to test"
    ] = 0.1
    cell: Annotated[
        str,
        "recurrent cell: lstm, gru, mingru, … (docs/cells.md)",
        Choices(("lstm", "gru", "mingru")),
    ] = "lstm"
    hidden_size: Annotated[int, "width of a layer, H", Choices((256, 512, 1024))] = 512
    num_layers: Annotated[int, "cells on top of each other, L", Choices((1, 2, 3))] = 1
    embedding_size: Annotated[int | None, "width of the table of tokens; found from H"] = None
    tied: Annotated[
        Literal["auto", "yes", "no"], "the table is the head's matrix too; auto: of words and bpe"
    ] = "auto"
    softmax: Annotated[
        Literal["auto", "full", "adaptive"],
        "adaptive puts rare tokens into clusters; auto: beyond 50,000 tokens",
    ] = "auto"
    dropout: Annotated[float, "share of what the head reads that is dropped", Range(0.0, 0.6)] = 0.2
    layer_dropout: Annotated[
        float | None, "share dropped between layers; that of --dropout when not given"
    ] = None
    input_dropout: Annotated[float, "share of what the first layer reads that is dropped"] = 0.0
    embedding_dropout: Annotated[float, "share of tokens dropped wherever they stand"] = 0.0
    weight_dropout: Annotated[float, "share of recurrent weights that is dropped"] = 0.0
    activation_penalty: Annotated[float, "factor of the mean square of outputs in the loss"] = 0.0
    temporal_penalty: Annotated[float, "factor of the mean square of their changes"] = 0.0
    begin: Annotated[
        str | None, "run folder of a language model to go on from: its tokens, its network"
    ] = None
    preset: Annotated[
        Literal["none", "awd-lstm"], "a published recipe for all fields left as they are"
    ] = "none"
    streams: Annotated[int, "places of the text that are read side by side, B"] = 32
    window: Annotated[int, "tokens through which gradients pass back, T"] = 128
    variable: Annotated[bool, "windows of about that length, drawn anew in each epoch"] = False
    probe: Annotated[bool, "choose streams and window by trying real steps for seconds"] = False
    label_smoothing: Annotated[float, "share of a target that is spread over all tokens"] = 0.0
    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = field(default=2e-3, kw_only=True)
    epochs: Annotated[int, "most passes over the data"] = field(default=20, kw_only=True)
    schedule: Annotated[
        Literal["decay", "constant", "cosine", "one-cycle", "plateau"],
        "of the rate; decay holds it for three epochs, then takes .8 of the last",
        Choices(("decay", "cosine")),
    ] = field(default="cosine", kw_only=True)

    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        "of products while learning, by autocast; auto: bfloat16 where the processor has tiles",
    ] = field(default="auto", kw_only=True)

    learned_: Learned = field(init=False, repr=False, compare=False)

    def fit(
        self, data: Given, valid: Given | None = None, course: Course | None = None
    ) -> "LanguageModel":
        """Learn from a text.

        Its end is held out: the first half of that to stop learning in time, the second to measure
        the model beside its baselines.

        Args:
            data: the text.
            valid: another text, held out instead.
            course: where checkpoints are kept, and who watches.

        Raises:
            DataError: something in the text does not fit; the message names the option.
            OptionError: a field has a value that does not fit.
            TrainingError: the loss is not finite.
        """
        plan, changed = self.plan(), self._changed()
        if changed:
            said = ", ".join(f"{name} {value}" for name, value in changed.items())
            say(plan, "preset", f"{self.preset}: {said}")
        fit = self._fit(data, valid, plan, course or Course())
        fitted = fit.run()
        self.data_ = {"name": fit.name, "sha256": fit.hash}
        self.learned_ = fitted.learned
        self._keep(fitted.history, fitted.measures, course or Course())
        return self

    def lesson(self, data: Given, valid: Given | None = None) -> Truncated:
        fit = self._prepared(data, valid)
        if hasattr(self, "learned_"):
            return fit.lesson(deepcopy(self.learned_.network))
        with torch.random.fork_rng(devices=[]):
            return fit.lesson(fit.build())

    def settle(self, data: Given, valid: Given | None = None) -> dict[str, Any]:
        setting = self._prepared(data, valid).setting
        return {
            "embedding_size": setting.embedding_size,
            "layer_dropout": setting.layer_dropout,
            "vocab_size": setting.vocab_size,
        }

    def plan(self) -> Plan:
        """The fields as the loop takes them, those of the preset among them."""
        return Learning.plan(self._settled())

    def measure(self, data: Given) -> Measures:
        """Nats a token, bits per character and perplexity of a text, beside the baselines.

        The state is carried from the first token to the last; unknown characters are counted, and
        measured as the one that stands for them.
        """
        self._need("learned_")
        files = Files(data)
        found = read_leniently(files, self.learned_, self.document, self.errors)
        return measured(self.learned_, found, f"on {files.name}")

    def score(self, text: str, chunk: int | None = None, *, errors: str = "strict") -> list[Scored]:
        """How surprising each token of a text is, after all those before it.

        Before the first one stands what stands before any text: a separator where the documents
        that were learned from had one, else a newline. Documents end as they did while learning.

        Args:
            text: the text itself.
            chunk: tokens that the network takes at once; the answers agree to rounding.
            errors: "replace" takes what is unknown as U+FFFD.

        Raises:
            UnknownTokenError: a character is not in the vocabulary, and errors are strict.
        """
        self._need("learned_")
        if chunk is not None and chunk < 1:
            raise OptionError(f"score: chunk is {chunk}; it is at least 1")
        ids = self._ids(text, errors)
        nats = chain.from_iterable(self.learned_.nats(ids, chunk or STEPS))
        name = self.vocabulary_.name
        return [Scored(int(i), name(int(i)), float(n)) for i, n in zip(ids[:], nats, strict=True)]

    def next_command(self, run: Path, data: str) -> str:
        del data
        return f"generate {run} --length 400"

    def plot(self, answer: str | Sequence[Scored], path: str | Path, data: Any = None) -> None:
        """Draw how surprising each token is.

        Args:
            answer: a text, as of `predict`, or what `score` said of one.
            path: a file that ends in .png, .svg or .pdf.
        """
        from recurra.tasks.language.plots import draw_surprise

        del data
        self._need("learned_")
        scored = self.score(answer, errors="replace") if isinstance(answer, str) else answer
        draw_surprise(Path(path), [one.token for one in scored], [one.nats for one in scored])

    def save(self, folder: str | Path) -> None:
        """Write a run folder, with a picture of the training and a text of the model's own."""
        self._need("learned_")
        run = self._as_run(to_json(self.learned_), to_tensors(self.learned_))
        draw = {"training.png": self.plot_history, "sample.txt": self._write_sample}
        save_run(run, Path(folder), draw)

    def _take(self, run: Run, folder: Path) -> None:
        self.learned_ = from_run(run.learned, run.tensors, folder)

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write a few hundred sentences by a small grammar; the path of the file."""
        return write_sample(Path(folder))

    def _ids(self, text: str, errors: str) -> Tokens:
        """A text as tokens."""
        if self.document == "file" or not text.strip():
            return self.vocabulary_.encode(text, errors)
        return read(Files(StringIO(text)), self.vocabulary_, self.document, errors).ids

    def _write_sample(self, path: Path) -> None:
        """A text of the model's own, the same each time."""
        own = "".join(self.writer().write(SAMPLE))
        path.write_text(own, encoding="utf-8", newline="")

    def _prepared(self, data: Given, valid: Given | None) -> Fit:
        """All that a fit decides before it learns, in silence."""
        return self._fit(data, valid, replace(self.plan(), quiet=True), Course())

    def _fit(self, data: Given, valid: Given | None, plan: Plan, course: Course) -> Fit:
        settled = self._settled()
        wishes = Wishes(**{one.name: getattr(settled, one.name) for one in fields(Wishes)})
        return Fit(data, valid, wishes, plan, course)

    def _changed(self) -> dict[str, Any]:
        """What the preset makes of fields that were left as they are by default."""
        defaults = {one.name: one.default for one in fields(self) if one.default is not MISSING}
        return changes(self.preset, self.get_params(), defaults)

    def _settled(self) -> "LanguageModel":
        """The fields with what the preset makes of them."""
        return LanguageModel(**{**self.get_params(), **self._changed(), "preset": "none"})
