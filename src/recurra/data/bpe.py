"""Text as pieces of words: pairs of bytes that occur often were joined, and joined again.

A piece is any run of bytes inside a word with the blank before it, so every text can be encoded.
In files a piece is written in the library's letters, one for each byte, all of which can be seen.

Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016,
arXiv:1508.07909, section 3.2; on bytes as in Radford et al., "Language Models are Unsupervised
Multitask Learners", 2019, section 2.2.
"""

import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recurra.data.bytes import ByteDecoder, byte_name
from recurra.data.tokens import Ids, token_type
from recurra.data.vocabulary import (
    SEPARATOR,
    Decoder,
    Vocabulary,
    as_bytes,
    check_id,
    check_ids,
    check_tokens,
    check_whole,
)
from recurra.errors import DataError, MissingPackageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Letters for bytes: those of Latin-1 that can be seen stand for themselves.
_SEEN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_UNSEEN = [byte for byte in range(256) if byte not in _SEEN]
LETTERS = {chr(byte): byte for byte in _SEEN} | {
    chr(0x100 + place): byte for place, byte in enumerate(_UNSEEN)
}
# How many characters of a training text are read again to count its pieces.
COUNTED = 1 << 24
# Longer runs without a blank are learned from in parts: a run takes the square of its length.
LONG = re.compile(r"(\S{256})(?=\S)")


class Bpe(Vocabulary):
    """Pieces from the most frequent to the rarest.

    Args:
        pieces: each once in the order of their ids, in letters for bytes.
        merges: "left right", the pairs that are joined, the first one first.
    """

    kind: ClassVar = "bpe"
    unknown = None

    def __init__(self, pieces: Sequence[str], merges: Sequence[str]) -> None:
        self.pieces, self.merges = tuple(pieces), tuple(merges)
        # What ends a document is no bytes.
        self._table = [*(_bytes(piece) for piece in self.pieces), b""]
        self.separator = len(self.pieces)
        self.newline = self._table.index(b"\n")
        self.dtype = token_type(len(self)).newbyteorder("=")

    def __len__(self) -> int:
        return len(self.pieces) + 1

    def __repr__(self) -> str:
        return f"Bpe({len(self)} ids)"

    def __getstate__(self) -> dict[str, Any]:
        """Copies make a tokenizer of their own."""
        return {name: value for name, value in self.__dict__.items() if name != "_tokenizer"}

    def encode(self, text: str, errors: str = "strict") -> Ids:
        """The ids of a text.

        Raises:
            DataError: the text has half a surrogate pair, and errors are strict.
            MissingPackageError: tokenizers is not installed.
        """
        whole = as_bytes(self.kind, text, errors).decode()
        return np.array(self._tokenizer.encode(whole, add_special_tokens=False).ids, self.dtype)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        array = check_ids(self.kind, ids, len(self))
        return b"".join(map(self._table.__getitem__, array.tolist())).decode(errors="replace")

    def decoder(self) -> Decoder:
        return ByteDecoder(self.kind, self._table)

    def name(self, token: SupportsIndex) -> str:
        place = check_id(self.kind, token, len(self))
        return SEPARATOR if place == self.separator else byte_name(self._table[place])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "pieces": list(self.pieces), "merges": list(self.merges)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Bpe":
        pieces = check_tokens(cls.kind, data, "pieces")
        merges = check_tokens(cls.kind, data, "merges")
        known = set(pieces)
        if set(data) - {"kind", "pieces", "merges"} or not known.issuperset(LETTERS):
            raise DataError(f"{cls.kind}: a byte is missing, or more is said than known")
        if not set(chain.from_iterable(pieces)) <= set(LETTERS):
            raise DataError(f"{cls.kind}: a piece has a letter that is no byte; it is damaged")
        for merge in merges:
            left, _, right = merge.partition(" ")
            if not {left, right, left + right} <= known:
                raise DataError(f"{cls.kind}: {merge[:80]!r} joins no two pieces; it is damaged")
        return cls(pieces, merges)

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        ids = {piece: place for place, piece in enumerate(self.pieces)}
        pairs = [merge.split(" ") for merge in self.merges]
        return _new_tokenizer(ids, [(left, right) for left, right in pairs])


def fit_bpe(blocks: Iterable[str], size: int) -> Bpe:
    """The pieces of a text.

    Args:
        blocks: the text, gone over twice.
        size: pieces at most, 256 bytes included; fewer where no pair occurs twice any more.

    Raises:
        DataError: half a surrogate pair is in the text.
        MissingPackageError: tokenizers is not installed.
    """
    tokenizer = _new_tokenizer({}, [])
    from tokenizers import trainers

    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, initial_alphabet=list(LETTERS), show_progress=False
    )
    tokenizer.train_from_iterator(_whole(blocks), trainer)
    found = json.loads(tokenizer.to_str())["model"]
    return _by_number(Bpe(list(found["vocab"]), list(map(" ".join, found["merges"]))), blocks)


def _by_number(bpe: Bpe, blocks: Iterable[str]) -> Bpe:
    """The same pieces, the most frequent first."""
    counts, left = np.zeros(len(bpe.pieces), np.int64), COUNTED
    for block in blocks:
        counts += np.bincount(bpe.encode(block), minlength=len(counts))
        left -= len(block)
        if left <= 0:
            break
    numbered = zip(bpe.pieces, counts.tolist(), strict=True)
    order = sorted(numbered, key=lambda each: (-each[1], _bytes(each[0])))
    return Bpe([piece for piece, _ in order], bpe.merges)


def _whole(blocks: Iterable[str]) -> Iterable[str]:
    for block in blocks:
        check_whole("text", [block])
        yield LONG.sub(r"\1\n", block)


def _bytes(piece: str) -> bytes:
    return bytes(LETTERS[letter] for letter in piece)


def _new_tokenizer(ids: dict[str, int], merges: list[tuple[str, str]]) -> "Tokenizer":
    if find_spec("tokenizers") is None:
        raise MissingPackageError(
            "pieces of words need tokenizers; pip install 'recurra[text]', or --tokens characters"
        )
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(ids, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer
