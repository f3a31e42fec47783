"""A language model as what another task begins with: the layers that read, and their tokens.

Whoever learns on top of it takes along all that is needed, so that no run folder leads to another.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data import Vocabulary, vocabulary_from_json
from recurra.models import Pieces, Pretrained, body_of
from recurra.tasks.language.setting import Setting
from recurra.tasks.language.store import read_model, weights_hash

Ids = NDArray[np.int64]
KEYS = {"setting", "vocabulary", "start"}


@dataclass(frozen=True)
class Encoder:
    """What the layers are made of, and what they read.

    Args:
        setting: of the language model.
        vocabulary: what a token is.
        start: the token that stands before a text.

    Raises:
        ValueError: they do not fit each other.
    """

    setting: Setting
    vocabulary: Vocabulary
    start: int

    def __post_init__(self) -> None:
        size = self.setting.vocab_size
        if len(self.vocabulary) != size:
            raise ValueError(f"{len(self.vocabulary)} tokens for a table of {size}")
        if type(self.start) is not int or not 0 <= self.start < size:
            raise ValueError(f"start is {self.start!r}, no token of {size}")

    def build(self) -> Pretrained:
        """The layers with weights drawn afresh."""
        return Pretrained(self.setting.build())

    def spelling(self, words: Sequence[str]) -> "Spelling":
        """Distinct words as tokens, each as it stands behind a blank and as it begins a text."""
        texts = (*(f" {word}" for word in words), *words)
        parts = [self.vocabulary.encode(text, "replace") for text in texts]
        ids = np.concatenate([*parts, [self.start]]).astype(np.int64)
        offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        return Spelling(ids, offsets, len(words))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "setting": asdict(self.setting),
            "vocabulary": self.vocabulary.to_json(),
            "start": self.start,
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Encoder":
        """What `to_json` wrote.

        Raises:
            ValueError, TypeError, LookupError: it is something else.
        """
        if odd := sorted(set(found) ^ KEYS):
            raise ValueError(f"of the encoder {odd[0]} is unknown or missing")
        vocabulary = vocabulary_from_json(found["vocabulary"])
        return cls(Setting(**found["setting"]), vocabulary, found["start"])


@dataclass(frozen=True)
class Spelling:
    """Distinct words as an encoder's tokens.

    Args:
        ids: (M + 1,) of all words one behind the other, first as they stand behind a blank, then as
            they begin a text; the last one stands before a text.
        offsets: (2D + 1,) where each begins in `ids`, and the end.
        size: how many words there are, D.
    """

    ids: Ids
    offsets: Ids
    size: int

    def batch(self, texts: Sequence[Ids]) -> Pieces:
        """Texts, each the numbers of its words, as tokens behind the one that begins them all."""
        read = [self._read(text) for text in texts]
        words = [len(text) for text in texts]
        lengths = np.array([len(ids) for ids, _ in read], np.int64)
        ids = np.zeros((len(texts), int(lengths.max(initial=1))), np.int64)
        ends = np.zeros((len(texts), max(1, *words, 1)), np.int64)
        for row, (own, last) in enumerate(read):
            ids[row, : len(own)], ends[row, : len(last)] = own, last
        return Pieces(*map(torch.from_numpy, (ids, lengths, ends)))

    def _read(self, text: Ids) -> tuple[Ids, Ids]:
        """The tokens of a text, and where each word's last one is."""
        first = np.zeros(len(text), np.int64)
        first[:1] = self.size
        places = text + first
        counts = self.offsets[places + 1] - self.offsets[places]
        ends = counts.cumsum()
        within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
        own = self.ids[np.repeat(self.offsets[places], counts) + within]
        return np.concatenate([self.ids[-1:], own]), ends


@dataclass(frozen=True)
class Begun:
    """An encoder with what it has learned.

    Args:
        encoder: what it is made of.
        weights: of a `Pretrained`.
        hash: of both.
        name: of the run folder, for people.
    """

    encoder: Encoder
    weights: dict[str, Tensor]
    hash: str
    name: str

    def told(self) -> str:
        """What it is, in words."""
        setting, vocabulary = self.encoder.setting, self.encoder.vocabulary
        layers = f", {setting.num_layers} layers" if setting.num_layers > 1 else ""
        return (
            f"{self.name}: {setting.cell} of {setting.hidden_size}{layers}, "
            f"{vocabulary.kind}, a vocabulary of {len(vocabulary):,}"
        )


def read_encoder(folder: str) -> Begun:
    """The layers of the language model in a run folder.

    Raises:
        MissingFileError, RunFolderError: there is none, a damaged one, or one of another task.
    """
    learned = read_model(folder, "--encoder")
    encoder = Encoder(learned.setting, learned.vocabulary, learned.start)
    weights = body_of(learned.network.state_dict())
    made = hashlib.sha256(repr(encoder.to_json()).encode()).hexdigest()
    return Begun(encoder, weights, made + weights_hash(weights), Path(folder).name)
