"""Entities that are written as tags: IOB1, IOB2 and BIOES.

    IOB2    B-PER begins an entity, I-PER goes on, O is in none
    IOB1    I-PER begins one too; B-PER only where one follows another of its kind
    BIOES   as IOB2, and E-PER ends an entity, S-PER is all of one; also written L- and U-

An entity ends where another begins or a word is in none. One begins with B and S, after E, S and O,
and where the kind changes: so is every sequence of tags read, also one that no scheme would write.

Source: Tjong Kim Sang and Buchholz, "Introduction to the CoNLL-2000 Shared Task: Chunking", 2000,
whose counting this is; the schemes: Ramshaw and Marcus, "Text Chunking using Transformation-Based
Learning", 1995, arXiv:cmp-lg/9505040, and Tjong Kim Sang and Veenstra, 1999, arXiv:cs/9907006.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
AS = {"L": "E", "U": "S"}
BEGINS, ENDS, INSIDE, CONTINUES = (frozenset(letters) for letters in ("BS", "ES", "BI", "IE"))


class Span(NamedTuple):
    """An entity: its first word, the one after its last, and its kind."""

    begin: int
    end: int
    kind: str


def is_entities(tags: Iterable[str]) -> bool:
    """Whether tags are written in one of the schemes."""
    others = set(tags) - {OUTSIDE}
    return bool(others) and all(
        tag[:2] in ("B-", "I-", "E-", "S-", "L-", "U-") and len(tag) > 2 for tag in others
    )


def parts(tag: str) -> tuple[str, str]:
    """The letter and the kind of a tag."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    return AS.get(tag[0], tag[0]), tag[2:]


def begins(before: str, tag: str) -> bool:
    """Whether an entity begins with `tag`, where `before` is the tag before it."""
    (last, last_kind), (letter, kind) = parts(before), parts(tag)
    if letter == OUTSIDE:
        return False
    return letter in BEGINS or last in (OUTSIDE, *ENDS) or kind != last_kind


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence, in their order."""
    found: list[Span] = []
    begin = -1
    for t, (before, tag) in enumerate(pairwise([OUTSIDE, *tags, OUTSIDE])):
        new = begins(before, tag)
        if begin >= 0 and (new or tag == OUTSIDE):
            found.append(Span(begin, t, parts(before)[1]))
            begin = -1
        if new:
            begin = t
    return found


class Rules(NamedTuple):
    """What a scheme never writes, as a conditional random field takes it.

    `forbidden` is (K, K), from the tag of the row to that of the column; the others are (K,).
    """

    forbidden: NDArray[np.bool_]
    never_first: NDArray[np.bool_]
    never_last: NDArray[np.bool_]


def rules(tags: Sequence[str]) -> Rules:
    """The rules of BIOES where entities have an end that is written, else of IOB2.

    Args:
        tags: all that there are, in their order.
    """
    ended = any(parts(tag)[0] in ENDS for tag in tags)

    def follows(before: str, tag: str) -> bool:
        (last, last_kind), (letter, kind) = parts(before), parts(tag)
        inside = last in INSIDE
        if letter in CONTINUES:
            return inside and kind == last_kind
        return not (ended and inside)

    return Rules(
        np.array([[not follows(before, tag) for tag in tags] for before in tags]),
        np.array([not follows(OUTSIDE, tag) for tag in tags]),
        np.array([not follows(tag, OUTSIDE) for tag in tags]),
    )


def kept(found: Rules, tags: Sequence[str], sentences: Iterable[Sequence[str]]) -> bool:
    """Whether all sentences keep to the rules; those written in IOB1 do not.

    Args:
        found: the rules of `tags`.
        tags: all that there are, in their order.
        sentences: the tags of each sentence, one at least.
    """
    numbers = {tag: number for number, tag in enumerate(tags)}
    for sentence in sentences:
        coded = [numbers[tag] for tag in sentence]
        if found.never_first[coded[0]] or found.never_last[coded[-1]]:
            return False
        if found.forbidden[coded[:-1], coded[1:]].any():
            return False
    return True
