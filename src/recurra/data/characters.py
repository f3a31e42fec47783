"""Text as its characters: every code point of a training text has an id."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recurra.data.bytes import ByteDecoder
from recurra.data.tokens import Ids, token_type
from recurra.data.vocabulary import (
    REPLACEMENT,
    SEPARATOR,
    Decoder,
    Vocabulary,
    check_errors,
    check_id,
    check_ids,
    check_whole,
    shown,
)
from recurra.errors import DataError, UnknownTokenError

# Code points, and how many unknown characters a message names.
POINTS, NAMED = 0x110000, 5


class Characters(Vocabulary):
    """Characters from the most frequent to the rarest; U+FFFD, the unknown one, is among them.

    Args:
        characters: each once, in the order of their ids.
    """

    kind: ClassVar = "characters"

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._points = _points(characters)
        self.separator = len(characters)
        self.unknown: int = characters.index(REPLACEMENT)
        place = characters.find("\n")
        self.newline = None if place < 0 else place
        self.dtype = token_type(len(self)).newbyteorder("=")
        # Beyond the last code point known stands one entry for all others: no id, the separator's.
        self._ids = np.full(int(self._points.max()) + 2, self.separator, self.dtype)
        self._ids[self._points] = np.arange(len(characters))

    def __len__(self) -> int:
        return len(self.characters) + 1

    def __repr__(self) -> str:
        return f"Characters({len(self)} ids)"

    def encode(self, text: str, errors: str = "strict") -> Ids:
        check_errors(errors)
        points = _points(text)
        ids: Ids = self._ids[np.minimum(points, len(self._ids) - 1)]
        strange = ids == self.separator
        if strange.any():
            if errors == "strict":
                places = np.flatnonzero(strange)
                found = "".join(dict.fromkeys(text[place] for place in places[:1000]))
                raise UnknownTokenError(self.kind, found[:NAMED], int(places[0]))
            ids[strange] = self.unknown
        return ids

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        array = check_ids(self.kind, ids, len(self))
        return self._points[array[array < self.separator]].tobytes().decode("utf-32-le")

    def decoder(self) -> Decoder:
        return ByteDecoder(self.kind, [*(each.encode() for each in self.characters), b""])

    def name(self, token: SupportsIndex) -> str:
        place = check_id(self.kind, token, len(self))
        return SEPARATOR if place == self.separator else shown(self.characters[place])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "characters": self.characters}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Characters":
        characters = data.get("characters")
        if not isinstance(characters, str) or set(data) - {"kind", "characters"}:
            raise DataError(f'{cls.kind}: "characters" is no text, or not alone; it is damaged')
        if len(characters) > POINTS or len(set(characters)) < len(characters):
            raise DataError(f"{cls.kind}: a character stands there twice; it is damaged")
        check_whole(cls.kind, [characters])
        if REPLACEMENT not in characters:
            raise DataError(f"{cls.kind}: U+FFFD is missing; it is damaged")
        return cls(characters)


def count_characters(blocks: Iterable[str]) -> dict[str, int]:
    """How often each character occurs.

    Raises:
        DataError: half a surrogate pair is among them.
    """
    counts = np.zeros(POINTS, np.int64)
    for block in blocks:
        check_whole("text", [block])
        found = np.bincount(_points(block))
        counts[: len(found)] += found
    return {chr(point): int(counts[point]) for point in np.flatnonzero(counts)}


def characters_of(counts: dict[str, int]) -> Characters:
    """All of them, U+FFFD too, by their number."""
    counts = {REPLACEMENT: 0} | counts
    return Characters("".join(sorted(counts, key=lambda each: (-counts[each], each))))


def _points(text: str) -> NDArray[np.uint32]:
    # Half a surrogate pair passes here, and is an unknown character.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
