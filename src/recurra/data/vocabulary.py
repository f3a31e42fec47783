"""What a vocabulary is: text becomes ids, and ids become text again.

Ids go from the most frequent token to the rarest, ties by code point, so that an adaptive softmax
finds its clusters as they lie; bytes alone are their own ids. The last id is the separator, which
ends a document. It is no part of any text, and is decoded as nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from operator import index
from typing import Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recurra.data.tokens import Ids
from recurra.errors import DataError, OptionError

# What is read back from a file holds no more tokens, and none longer than this many characters.
MOST_TOKENS, MOST_LENGTH = 1 << 20, 1 << 16
ERRORS = ("strict", "replace")
# What stands for a character that is unknown, or that bytes do not make.
REPLACEMENT = "\ufffd"
SEPARATOR = "<sep>"


class Decoder(ABC):
    """Ids as text, one after the other: what a token leaves open is held back until it is whole."""

    @abstractmethod
    def push(self, token: SupportsIndex) -> str:
        """The text that became certain with this token; often all of its own, sometimes none.

        Raises:
            DataError: there is no such id.
        """

    @abstractmethod
    def finish(self) -> str:
        """What was held back; the decoder is as new afterwards."""


class Vocabulary(ABC):
    """Tokens and their ids, 0 … len - 1.

    Attributes:
        kind: its name in `VOCABULARIES`.
        dtype: of what `encode` returns.
        separator: id that ends a document; no text is encoded as it.
        unknown: id for what is not in the vocabulary; None where nothing can be unknown.
        newline: id of the end of a line alone; None where the vocabulary has none.
    """

    kind: ClassVar[str]
    dtype: np.dtype[Any]
    separator: int
    unknown: int | None
    newline: int | None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def encode(self, text: str, errors: str = "strict") -> Ids:
        """The ids of a text.

        Args:
            text: any.
            errors: "strict", or "replace", which gives what is unknown the id `unknown`.

        Raises:
            DataError: the text has half a surrogate pair, and errors are strict.
            OptionError: no such way with errors.
            UnknownTokenError: a character is not in the vocabulary, and errors are strict.
        """

    @abstractmethod
    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The text of some ids, in one dimension; what bytes do not make is U+FFFD.

        Raises:
            DataError: there is no such id.
        """

    @abstractmethod
    def decoder(self) -> Decoder:
        """For ids that come one after the other; all pushed and finished are what `decode` says."""

    @abstractmethod
    def name(self, token: SupportsIndex) -> str:
        r"""A token for people: what cannot be seen is escaped, as in `\n`.

        Raises:
            DataError: there is no such id.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `vocabulary_from_json` makes the same vocabulary of them."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: dict[str, Any]) -> "Vocabulary":
        """The vocabulary that `to_json` wrote.

        Raises:
            DataError: it did not write this.
        """


def check_errors(errors: str) -> None:
    """Raises OptionError where there is no such way with errors."""
    if errors not in ERRORS:
        raise OptionError(f'errors is "{errors}"; it is "strict" or "replace"')


def check_ids(kind: str, ids: Sequence[int] | NDArray[Any], count: int) -> NDArray[np.int64]:
    """Ids as an array, each below `count`; DataError where they are not."""
    array = np.asarray(ids)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and len(array)):
        raise DataError(
            f"{kind}: ids are {array.ndim}-dimensional {array.dtype}; they are whole numbers in "
            "one dimension"
        )
    wrong = (array < 0) | (array >= count)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(f"{kind}: id {array[place]} at {place}; ids are 0 … {count - 1}")
    return array.astype(np.int64)


def check_id(kind: str, token: SupportsIndex, count: int) -> int:
    """One id below `count`; DataError where it is not."""
    place = index(token)
    if not 0 <= place < count:
        raise DataError(f"{kind}: id {place}; ids are 0 … {count - 1}")
    return place


def check_tokens(kind: str, data: dict[str, Any], name: str = "tokens") -> list[str]:
    """A list of different texts from a JSON value; DataError where it is none."""
    tokens = data.get(name)
    if not isinstance(tokens, list) or not all(isinstance(each, str) for each in tokens):
        raise DataError(f'{kind}: "{name}" is no list of texts; it is damaged')
    if len(tokens) > MOST_TOKENS:
        raise DataError(f'{kind}: "{name}" has {len(tokens)} entries; at most {MOST_TOKENS} fit')
    if any(not 0 < len(each) <= MOST_LENGTH for each in tokens):
        raise DataError(f'{kind}: "{name}" has an entry that is empty or longer than {MOST_LENGTH}')
    if len(set(tokens)) < len(tokens):
        raise DataError(f'{kind}: "{name}" has an entry twice; it is damaged')
    check_whole(kind, tokens)
    return tokens


def check_whole(kind: str, texts: Iterable[str]) -> None:
    """Raises DataError where a text has half a surrogate pair, which no file can hold."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{kind}: half a surrogate pair, U+{ord(text[error.start]):04X}, at {error.start}; "
                "--errors replace puts U+FFFD there"
            ) from None


def as_bytes(kind: str, text: str, errors: str) -> bytes:
    """UTF-8; what it cannot hold is U+FFFD where errors are replaced, and a DataError where not."""
    check_errors(errors)
    try:
        return text.encode()
    except UnicodeEncodeError:
        if errors == "strict":
            check_whole(kind, [text])
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def shown(text: str) -> str:
    r"""A text with what cannot be seen escaped, as in `\n`."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
