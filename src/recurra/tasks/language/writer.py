"""Texts that go on from what was read, token by token, in constant memory.

A text begins as it is scored: the network reads the token that stands before any text. Where what
was learned from had documents, the state begins anew after a separator.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.engine import tree_map
from recurra.errors import OptionError, UnknownTokenError
from recurra.layers import Stream
from recurra.models import Choice, Sampler
from recurra.tasks.language.learned import Learned
from recurra.tasks.language.scoring import NO_TOKEN, Scored
from recurra.train import Tokens

Ids = NDArray[np.int64]
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
# Tokens of a prompt that are read at once, which bounds the memory of their scores.
STEPS = 64
# Tokens at its end that the next one may belong to: those of one letter.
OPEN = 4


class Writer:
    """A network that reads, and writes what may come next: texts side by side, from one beginning.

    It remembers all that it has read and written. What a text becomes does not depend on those
    beside it.

    Args:
        learned: the network and its vocabulary.
        choice: how tokens are chosen.
        seeds: of the random numbers of each text.
        between: what is written between two documents.
        precision: "bfloat16" rounds the matrices, and so reads half the memory a token.

    Raises:
        OptionError: no such precision, no text, or a seed below 0.
    """

    def __init__(
        self,
        learned: Learned,
        choice: Choice,
        seeds: Sequence[int],
        *,
        between: str = "\n",
        precision: str = "float32",
    ) -> None:
        if precision not in PRECISIONS:
            raise OptionError(f'--precision is "{precision}"; it is {" or ".join(PRECISIONS)}')
        if not seeds:
            raise OptionError("--samples is 0; it is at least 1")
        if min(seeds) < 0:
            raise OptionError(f"--seed is {min(seeds)}; it is 0 or more")
        self._vocabulary, self._between = learned.vocabulary, between
        self._separator = NO_TOKEN if learned.separator is None else learned.separator
        # One row reads for all, until the first token is drawn.
        self._stream = Stream(learned.network.as_cell(), weights=PRECISIONS[precision])
        self._sampler = Sampler(choice, seeds)
        # They read the prompt's end, which may leave a blank open, or half a letter.
        self._decoders = [learned.vocabulary.decoder() for _ in seeds]
        # A token that stands there is read once the next one is asked for.
        self._unread: Ids = np.array([learned.start])
        self._anew: list[int] = []
        self._place(1)

    @property
    def rows(self) -> int:
        """How many texts are being written."""
        return len(self._decoders)

    def read(self, text: str, errors: str = "strict") -> None:
        """Go on by a text of somebody else's, in all rows.

        Args:
            text: a part of one document.
            errors: "replace" takes what is unknown as U+FFFD.

        Raises:
            UnknownTokenError: a character is not in the vocabulary, and errors are strict.
            DataError, OptionError: as `Vocabulary.encode`.
        """
        try:
            ids = self._vocabulary.encode(text, errors)
        except UnknownTokenError as error:
            raise UnknownTokenError("prompt", error.found, error.offset) from None
        self.read_ids(ids)

    def read_ids(self, ids: Tokens) -> None:
        """As `read`, by tokens; separators may be among them."""
        if not len(ids):
            return
        self._push(self._unread)
        for part in self._parts(ids):
            self._begin_anew()
            self._stream.push(torch.from_numpy(part).expand(self._stream.rows, -1).contiguous())
            self._note(part[-1:])
        last = np.asarray(ids[len(ids) - 1 :]).astype(np.int64)
        self._unread = np.repeat(last, self._stream.rows)
        for token in np.asarray(ids[max(0, len(ids) - OPEN) :]).tolist():
            for decoder in self._decoders:
                decoder.push(token)

    def draw(self) -> Ids:
        """The next token of each text."""
        self._push(self._unread)
        if self._stream.rows < self.rows:
            self._part_rows()
        self._unread = self._drawn()
        return self._unread

    def write(self, length: int | None = None, *, stop: bool = True) -> Iterator[str]:
        """The next pieces of the first text, as they become certain.

        Args:
            length: tokens at most; without end when not given.
            stop: end with the document.
        """
        for token in self._tokens(length, stop=stop):
            if piece := self._text(0, token):
                yield piece
        if piece := self._decoders[0].finish():
            yield piece

    def surprises(self, length: int | None = None, *, stop: bool = True) -> Iterator[Scored]:
        """As `write`, by tokens, and how surprising each is whatever the choice of tokens."""
        for token in self._tokens(length, stop=stop):
            yield Scored(token, self._vocabulary.name(token), self._nats(token))
            self._text(0, token)

    def write_all(self, length: int | None = None, *, stop: bool = True) -> list[str]:
        """All texts, whole; arguments as of `write`.

        Raises:
            OptionError: no text would ever end.
        """
        check_length(length)
        if length is None and (self._separator == NO_TOKEN or not stop):
            raise OptionError("--length is missing: such a text has no end of its own")
        texts: list[list[str]] = [[] for _ in range(self.rows)]
        at_work = [*texts]
        for _ in count() if length is None else range(length):
            tokens = self.draw().tolist()
            going = [r for r, token in enumerate(tokens) if not stop or token != self._separator]
            for row, text in enumerate(at_work):
                ended = row not in going
                piece = self._decoders[row].finish() if ended else self._text(row, tokens[row])
                text.append(piece)
            if len(going) < len(tokens):
                at_work = [at_work[row] for row in going]
                self._keep(going)
            if not at_work:
                break
        for text, decoder in zip(at_work, self._decoders, strict=True):
            text.append(decoder.finish())
        return ["".join(text) for text in texts]

    def _tokens(self, length: int | None, *, stop: bool) -> Iterator[int]:
        for _ in count() if length is None else range(length):
            token = int(self.draw()[0])
            if stop and token == self._separator:
                return
            yield token

    def _drawn(self) -> Ids:
        if self._separator != NO_TOKEN:
            return self._sampler.draw(self._scores)
        # The vocabulary's own separator was never met, and ends nothing.
        never = self._scores[:, self._vocabulary.separator]
        kept = never.copy()
        never[:] = -np.inf
        try:
            return self._sampler.draw(self._scores)
        finally:
            never[:] = kept

    def _text(self, row: int, token: int) -> str:
        """What becomes certain with the token."""
        if token == self._separator:
            return self._decoders[row].finish() + self._between
        return self._decoders[row].push(token)

    def _nats(self, token: int) -> float:
        """-log p of the token that the first text was given last."""
        scores = self._scores[0].astype(np.float64)
        most = float(scores.max())
        return math.log(float(np.exp(scores - most).sum())) + most - float(scores[token])

    def _keep(self, rows: list[int]) -> None:
        """Go on with some of the texts alone."""
        self._stream.drop([row for row in range(self.rows) if row not in rows])
        self._sampler.keep(rows)
        self._decoders = [self._decoders[row] for row in rows]
        self._anew = [at for at, row in enumerate(rows) if row in self._anew]
        self._unread = self._unread[rows]
        self._place(len(rows))

    def _push(self, ids: Ids) -> None:
        self._begin_anew()
        self._ids[:] = ids
        self._stream.push(self._x, self._out)
        self._note(ids)

    def _note(self, ids: Ids) -> None:
        """Remember which rows have read a separator; one id stands for all rows."""
        if self._separator == NO_TOKEN:
            return
        ended = [row for row, token in enumerate(ids.tolist()) if token == self._separator]
        self._anew = [*range(self._stream.rows)] if ended and len(ids) == 1 else ended

    def _begin_anew(self) -> None:
        if self._anew:
            self._stream.reset(self._anew)

    def _parts(self, ids: Tokens) -> Iterator[Ids]:
        """All but the last token, cut after separators, so many at once."""
        for begin in range(0, len(ids) - 1, STEPS):
            some = np.asarray(ids[begin : min(begin + STEPS, len(ids) - 1)]).astype(np.int64)
            cuts = np.flatnonzero(some == self._separator) + 1
            yield from (part for part in np.split(some, cuts) if len(part))

    def _part_rows(self) -> None:
        """From one row to one a text."""
        more, scores, anew = self.rows - 1, self._scores, bool(self._anew)
        state = tree_map(lambda leaf: leaf.expand(more, *leaf.shape[1:]), self._stream.state)
        self._stream.add(more, state)
        self._place(self.rows)
        self._scores[:] = scores
        self._anew = [*range(self.rows)] if anew else []

    def _place(self, rows: int) -> None:
        """Memory for ids and scores, which torch and numpy both see."""
        self._x = torch.zeros(rows, dtype=torch.int64)
        self._out = torch.empty(rows, len(self._vocabulary))
        self._ids, self._scores = self._x.numpy(), self._out.numpy()


def check_length(length: int | None) -> None:
    """Raises OptionError where there is nothing to write."""
    if length is not None and length < 1:
        raise OptionError(f"--length is {length}; it is at least 1 token")
