"""What the two sides of a pair are written in: texts become tokens, and tokens texts again.

    bpe           "Ein Hund ."  ->  " Ein" " Hund" " ."     a blank is put before the first word, so
                                                            a word is the same wherever it stands
    characters    "Ab"          ->  "A" "b"                 every character as it stands

A network that copies may say what its vocabulary of V does not have: a character that the source
holds. The first such character of a text has number V, the next new one V + 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data import Pairs, Vocabulary, fit_vocabulary, vocabulary_from_json
from recurra.data.characters import Characters, characters_of, count_characters
from recurra.data.vocabulary import REPLACEMENT, check_whole, shown
from recurra.errors import DataError, OptionError

Ids = NDArray[np.int64]
KINDS = ("bpe", "characters")
KEYS = {"source", "target", "ratio", "copies"}
# Tokens that an answer may have beyond its ratio to the source; the largest ratio there is.
MARGIN, MOST_RATIO = 10, 10_000.0


class Read(NamedTuple):
    """The tokens of a source.

    `copied` is what each is as a token of the target, for a network that copies; `strange` holds
    the characters whose numbers there begin at V.
    """

    ids: Ids
    copied: Ids
    strange: str


@dataclass(frozen=True)
class Sides:
    """The vocabularies of both sides, and how long an answer may become.

    Args:
        source: of what is read.
        target: of what is said; the same object where both have one vocabulary.
        ratio: tokens of an answer for each of the source, at most, and `MARGIN` more.
        copies: whether the network may say what stands in the source alone.
    """

    source: Vocabulary
    target: Vocabulary
    ratio: float = 2.0
    copies: bool = False

    def __post_init__(self) -> None:
        if self.copies and not self.joint:
            raise OptionError("--copy takes one vocabulary for both sides; --vocabulary joint")

    @property
    def joint(self) -> bool:
        """Whether both sides have one vocabulary."""
        return self.source is self.target

    @property
    def end(self) -> int:
        """The token that ends an answer, and stands before it."""
        return self.target.separator

    def most(self, length: int) -> int:
        """The most tokens of an answer, its end not counted.

        Args:
            length: tokens of the source.
        """
        return math.ceil(self.ratio * length) + MARGIN

    def read(self, text: str) -> Read:
        """The tokens of a source; an unknown character is U+FFFD among `ids`.

        Raises:
            DataError: half a surrogate pair is in it.
            MissingPackageError: the tokens are bpe, and tokenizers is not installed.
        """
        written = _written(self.source, text)
        ids = _encoded(self.source, written)
        if not self.copies or self.source.unknown is None:
            return Read(ids, ids, "")
        places = np.flatnonzero(ids == self.source.unknown)
        found = [written[place] for place in places]
        strange = "".join(each for each in dict.fromkeys(found) if each != REPLACEMENT)
        return Read(ids, self._numbered(ids, written, strange), strange)

    def answer(self, text: str, strange: str = "") -> Ids:
        """The tokens of a target and the one that ends it.

        Args:
            text: the target.
            strange: as `read` found it in the source.

        Raises:
            DataError, MissingPackageError: as `read`.
        """
        written = _written(self.target, text)
        ids = self._numbered(_encoded(self.target, written), written, strange)
        return np.append(ids, self.end)

    def text(self, ids: Sequence[int], strange: str = "") -> str:
        """An answer as text.

        Args:
            ids: its tokens, without the one that ends it.
            strange: as `read` found it in the source.
        """
        size = len(self.target)
        if all(each < size for each in ids):
            text = self.target.decode(ids)
        else:
            parts = [_strange(each, size, strange) or self.target.decode([each]) for each in ids]
            text = "".join(parts)
        return text if isinstance(self.target, Characters) else text.strip()

    def names(self, ids: Sequence[int], strange: str = "") -> tuple[str, ...]:
        """The tokens of an answer for people: what cannot be seen is escaped."""
        size = len(self.target)
        return tuple(shown(_strange(each, size, strange)) or self.target.name(each) for each in ids)

    def source_names(self, text: str) -> tuple[str, ...]:
        """The tokens of a source for people; unknown characters are themselves."""
        written = _written(self.source, text)
        if isinstance(self.source, Characters):
            return tuple(map(shown, written))
        return tuple(map(self.source.name, _encoded(self.source, written).tolist()))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "source": self.source.to_json(),
            "target": None if self.joint else self.target.to_json(),
            "ratio": self.ratio,
            "copies": self.copies,
        }

    @classmethod
    def from_json(cls, data: object) -> "Sides":
        """What `to_json` wrote.

        Raises:
            DataError: it did not write this.
        """
        if not isinstance(data, dict) or set(data) != KEYS:
            raise DataError(f"sides: what is there is not {', '.join(sorted(KEYS))}; damaged")
        source = vocabulary_from_json(data["source"])
        target = source if data["target"] is None else vocabulary_from_json(data["target"])
        ratio, copies = data["ratio"], data["copies"]
        if {source.kind, target.kind} not in [{kind} for kind in KINDS]:
            raise DataError(f"sides: tokens are {source.kind} and {target.kind}; damaged")
        if type(ratio) not in (int, float) or not 0 < ratio <= MOST_RATIO:
            raise DataError(f"sides: the ratio is {ratio!r}; it lies in 0 … {MOST_RATIO:g}")
        if type(copies) is not bool or (copies and source is not target):
            raise DataError(f"sides: copies is {copies!r}, and does not fit; damaged")
        return cls(source, target, float(ratio), copies)

    def _numbered(self, ids: Ids, written: str, strange: str) -> Ids:
        """Tokens, in which characters that the source alone has are V and more."""
        if not strange:
            return ids
        numbers = {each: len(self.target) + place for place, each in enumerate(strange)}
        return np.array(
            [numbers.get(each, known) for each, known in zip(written, ids.tolist(), strict=True)],
            np.int64,
        )


def fit_sides(
    pairs: Pairs,
    *,
    kind: str = "bpe",
    joint: bool = True,
    size: int | None = None,
    min_count: int = 1,
    copies: bool = False,
) -> Sides:
    """The vocabularies of pairs, and how long their targets are.

    Args:
        pairs: to learn from.
        kind: "bpe" or "characters".
        joint: one vocabulary for both sides.
        size: pieces of a vocabulary at most; characters are all kept.
        min_count: characters that occur less often are unknown, so that a network that copies
            learns what to do with unknown ones.
        copies: whether the network copies.

    Raises:
        DataError: half a surrogate pair is in a text.
        MissingPackageError: bpe, and tokenizers is not installed.
        OptionError: an option does not fit.
    """
    if kind not in KINDS:
        raise OptionError(f'--tokens is "{kind}"; what fits is {" or ".join(KINDS)}')
    if min_count < 1:
        raise OptionError(f"--min-count is {min_count}; it is at least 1")
    if joint:
        source = target = _fit([*pairs.sources, *pairs.targets], kind, size, min_count)
    else:
        source, target = (
            _fit(texts, kind, size, min_count) for texts in (pairs.sources, pairs.targets)
        )
    return Sides(source, target, _ratio(source, target, pairs), copies)


def _fit(texts: Sequence[str], kind: str, size: int | None, min_count: int) -> Vocabulary:
    if kind == "bpe":
        return fit_vocabulary(kind, [f" {text.strip()}" for text in texts], size)
    counts = count_characters(texts)
    return characters_of({each: count for each, count in counts.items() if count >= min_count})


def _ratio(source: Vocabulary, target: Vocabulary, pairs: Pairs) -> float:
    """The smallest that lets every target be said, and not below 1."""
    largest = 1.0
    for read, said in zip(pairs.sources, pairs.targets, strict=True):
        lengths = [
            len(_encoded(side, _written(side, text)))
            for side, text in ((source, read), (target, said))
        ]
        largest = max(largest, (lengths[1] - MARGIN) / max(1, lengths[0]))
    return min(largest, MOST_RATIO)


def _written(vocabulary: Vocabulary, text: str) -> str:
    check_whole("text", [text])
    return text if isinstance(vocabulary, Characters) else f" {text.strip()}"


def _encoded(vocabulary: Vocabulary, written: str) -> Ids:
    return vocabulary.encode(written, "replace").astype(np.int64)


def _strange(token: int, size: int, strange: str) -> str:
    """The character of the source that a token stands for; "" where it is one of the vocabulary."""
    if token < size:
        return ""
    return strange[token - size] if token - size < len(strange) else REPLACEMENT
