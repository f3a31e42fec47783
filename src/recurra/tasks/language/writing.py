"""What a language model says: it goes on from a text, token by token."""

from collections.abc import Iterator

from recurra.data import Vocabulary
from recurra.layers import Stream
from recurra.models import Choice
from recurra.tasks.language.learned import Learned
from recurra.tasks.language.texts import Files, Given, read_leniently
from recurra.tasks.language.writer import Writer, check_length
from recurra.tasks.learner import Learner

# Tokens of an answer.
LENGTH = 400
# Any token, as probable as it is.
ANY = Choice()
# What is written between two documents.
BETWEEN = {"file": "\n\n", "line": "\n", "paragraph": "\n\n"}


class Writing(Learner):
    """An estimator whose answer is a text.

    `learned_` is what a fit learned; the rest are fields.
    """

    learned_: Learned
    document: str
    errors: str

    def predict(self, data: Given | None = None) -> str:
        """The next 400 tokens of a text, drawn by the model's own seed.

        Args:
            data: what to continue; a text of its own when not given.
        """
        writer = self.writer(seed=self.seed)
        if data is not None:
            read = read_leniently(Files(data), self.learned_, self.document, self.errors)
            writer.read_ids(read.ids)
        return "".join(writer.write(LENGTH))

    def generate(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int = 0,
        stop: bool = True,
        errors: str = "strict",
        precision: str = "float32",
    ) -> Iterator[str]:
        """Go on from a prompt, in pieces, as they become certain; the prompt is not among them.

        Args:
            prompt: what was said before; a document's beginning when empty.
            length: tokens at most; without end when not given.
            temperature: what scores are divided by; 0 takes the likeliest token.
            top_k: how many of the likeliest tokens may be drawn; 0 for all.
            top_p: share of the probability that those have which may be drawn.
            min_p: how likely they are at least, beside the likeliest.
            seed: of the random numbers.
            stop: end with the document, where documents were learned from.
            errors: "replace" takes what is unknown as U+FFFD.
            precision: "bfloat16" rounds the matrices of products, and is faster where they are
                large.

        Raises:
            UnknownTokenError: a character of the prompt is unknown, and errors are strict.
            OptionError: a number does not fit.
        """
        check_length(length)
        choice = Choice(temperature, top_k, top_p, min_p)
        writer = self.writer(prompt, choice=choice, seed=seed, errors=errors, precision=precision)
        return writer.write(length, stop=stop)

    def generate_many(
        self,
        prompt: str = "",
        samples: int = 4,
        *,
        length: int | None = None,
        choice: Choice = ANY,
        seed: int = 0,
        stop: bool = True,
        errors: str = "strict",
        precision: str = "float32",
    ) -> list[str]:
        """Several texts at once, whole: number k is what `generate` writes with the seed seed + k.

        Args:
            samples: how many.
            length: tokens at most; may be left out where documents end.
            choice: how a token is chosen; the other arguments are those of `generate`.
        """
        writer = self.writer(
            prompt, samples=samples, choice=choice, seed=seed, errors=errors, precision=precision
        )
        return writer.write_all(length, stop=stop)

    def writer(
        self,
        prompt: str = "",
        *,
        samples: int = 1,
        choice: Choice = ANY,
        seed: int = 0,
        errors: str = "strict",
        precision: str = "float32",
    ) -> Writer:
        """What writes, after a prompt: it may read and write in turns. Arguments as above."""
        self._need("learned_")
        seeds, between = range(seed, seed + samples), BETWEEN[self.document]
        writer = Writer(self.learned_, choice, seeds, between=between, precision=precision)
        writer.read(prompt, errors)
        return writer

    def stream(self, rows: int = 1) -> Stream:
        """The network at work, token by token: `push` an id and take scores for the next one.

        Nothing was read yet; `learned_.start` is the token that stands before a text.
        """
        self._need("learned_")
        return Stream(self.learned_.network.as_cell(), rows)

    @property
    def vocabulary_(self) -> Vocabulary:
        """What a token is."""
        self._need("learned_")
        return self.learned_.vocabulary

    def to_text(self, answer: str) -> str:
        return answer
