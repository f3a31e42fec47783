"""Text as the bytes of its UTF-8: 256 ids that need no learning, and a separator."""

import codecs
from collections.abc import Sequence
from typing import Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recurra.data.tokens import Ids
from recurra.data.vocabulary import (
    SEPARATOR,
    Decoder,
    Vocabulary,
    as_bytes,
    check_id,
    check_ids,
    shown,
)
from recurra.errors import DataError

SIZE = 257


class ByteDecoder(Decoder):
    """Tokens that are bytes; half a character is held back.

    Args:
        kind: of the vocabulary, for messages.
        table: the bytes of each token.
    """

    def __init__(self, kind: str, table: Sequence[bytes]) -> None:
        self._kind, self._table = kind, table
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: SupportsIndex) -> str:
        place = check_id(self._kind, token, len(self._table))
        return self._decoder.decode(self._table[place])

    def finish(self) -> str:
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest


class Bytes(Vocabulary):
    """Every text, two to four times as long as its characters where it is not English."""

    kind: ClassVar = "bytes"
    dtype = np.dtype(np.uint8)
    separator = 256
    unknown = None
    newline = 10

    def __len__(self) -> int:
        return SIZE

    def __repr__(self) -> str:
        return "Bytes()"

    def encode(self, text: str, errors: str = "strict") -> Ids:
        # A copy, for what lies on bytes cannot be written to, and torch warns of that.
        return np.frombuffer(as_bytes(self.kind, text, errors), np.uint8).copy()

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        array = check_ids(self.kind, ids, SIZE)
        return array[array < self.separator].astype(np.uint8).tobytes().decode(errors="replace")

    def decoder(self) -> Decoder:
        return ByteDecoder(self.kind, TABLE)

    def name(self, token: SupportsIndex) -> str:
        place = check_id(self.kind, token, SIZE)
        return SEPARATOR if place == self.separator else byte_name(TABLE[place])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Bytes":
        if set(data) - {"kind"}:
            raise DataError(f"{cls.kind}: {sorted(map(str, data))}; only a kind is known")
        return cls()


# The separator is no byte.
TABLE = [*(bytes([each]) for each in range(256)), b""]


def byte_name(token: bytes) -> str:
    r"""Bytes for people: characters where they are whole, and `\xc3` where not."""
    return shown(token.decode(errors="backslashreplace"))
