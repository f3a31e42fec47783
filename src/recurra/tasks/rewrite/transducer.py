"""The estimator."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from recurra.data import Pairs
from recurra.tasks.learning import LEARNING
from recurra.tasks.rewrite.sample import write_sample
from recurra.tasks.rewriting import Rewriter
from recurra.tasks.rewriting.rewriter import ANSWER, FILES, LESSON, NETWORK
from recurra.tasks.rewriting.sides import Sides, fit_sides
from recurra.tasks.search import Choices, Range


@dataclass
class Transducer(Rewriter):
    """Rewrites texts character by character: dates, spelling, transliteration, inflection.

    Texts and what each becomes are one file with two columns between tabs, two parallel files, or
    a list of pairs.

    After `fit`: `learned_` (network, characters, examples), `history_`, `measures_`.
    """

    task: ClassVar[str] = "rewrite"
    tokens: ClassVar[str] = "characters"
    loss: ClassVar[str] = "100 - exact %"
    training_loss: ClassVar[str] = "nats a character"
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the answer": ANSWER,
        "the files": FILES,
        "the characters": ("min_count",),
        "the network": NETWORK,
        "the learning": (*LESSON, *LEARNING),
    }

    hidden_size: Annotated[int, "units of the decoder, H; half as many a direction read"] = 256
    embedding_size: Annotated[int, "features of a character"] = 64
    copy: Annotated[Literal["yes", "no"], "say characters of the source as they stand, too"] = "yes"
    label_smoothing: Annotated[float, "share of a target that is spread over all characters"] = 0.0
    batch_tokens: Annotated[int, "characters of both sides in a batch, padding included"] = 1000
    min_count: Annotated[int, "characters that come less often are taken for unknown"] = 1
    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = field(default=3e-3, kw_only=True)
    schedule: Annotated[
        Literal["decay", "constant", "cosine", "one-cycle", "plateau"],
        "of the rate; cosine falls to 0 over all epochs",
        Choices(("decay", "cosine")),
    ] = field(default="cosine", kw_only=True)

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write dates as people write them and as ISO 8601 has them; their path."""
        return write_sample(Path(folder))

    def _sides(self, pairs: Pairs) -> Sides:
        return fit_sides(
            pairs, kind=self.tokens, min_count=self.min_count, copies=self.copy == "yes"
        )
