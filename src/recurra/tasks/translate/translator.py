"""The estimator."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from recurra.data import Pairs
from recurra.tasks.learning import LEARNING
from recurra.tasks.rewriting import Rewriter
from recurra.tasks.rewriting.rewriter import ANSWER, FILES, LESSON, NETWORK
from recurra.tasks.rewriting.sides import Sides, fit_sides
from recurra.tasks.search import Range
from recurra.tasks.translate.sample import write_sample


@dataclass
class Translator(Rewriter):
    """Translates sentences, and shows which words it looked at.

    Sentences are two parallel files, one with two columns between tabs, or a list of pairs. They
    are cut into pieces of words.

    After `fit`: `learned_` (network, vocabularies, examples), `history_`, `measures_`.
    """

    task: ClassVar[str] = "translate"
    tokens: ClassVar[str] = "bpe"
    loss: ClassVar[str] = "100 - BLEU"
    training_loss: ClassVar[str] = "nats a piece"
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the answer": ANSWER,
        "the files": FILES,
        "the pieces": ("vocab_size", "vocabulary"),
        "the network": NETWORK,
        "the learning": (*LESSON, *LEARNING),
    }

    vocab_size: Annotated[int, "most pieces of a vocabulary"] = 8000
    vocabulary: Annotated[
        Literal["joint", "separate"], "one vocabulary for both languages, or one for each"
    ] = "joint"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        "of products while learning, by autocast; auto: bfloat16 where the processor has tiles",
    ] = field(default="auto", kw_only=True)
    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = field(default=1e-3, kw_only=True)

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write sentences of two made languages; their path."""
        return write_sample(Path(folder))

    def _sides(self, pairs: Pairs) -> Sides:
        return fit_sides(
            pairs,
            kind=self.tokens,
            joint=self.vocabulary == "joint",
            size=self.vocab_size,
            copies=self.copy == "yes",
        )
