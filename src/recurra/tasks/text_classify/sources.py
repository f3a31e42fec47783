"""Texts as a classifier is given them."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recurra.data import Labelled, LabelOptions, check_classes, read_labelled
from recurra.tasks.classes.split import Parts, halves, stratified
from recurra.tasks.parameters import Names

# A path, a frame, or a pair of lists.
Texts = str | Path | Any


def joined(
    data: Texts, valid: Texts | None, options: LabelOptions, seed: int
) -> tuple[Labelled, Parts]:
    """All texts, and which of them are learned from, validated and tested on."""
    first = read_labelled(data, options)
    check_classes(first)
    if valid is None:
        return first, stratified(_numbered(first.labels), seed, what="texts")
    second = read_labelled(valid, replace(options, text=first.text, label=first.label))
    whole = replace(
        first,
        texts=first.texts + second.texts,
        labels=first.labels + second.labels,
        facts=first.facts + second.facts,
    )
    return whole, halves(_numbered(whole.labels), len(first.texts), seed, what="texts")


def _numbered(labels: tuple[str, ...]) -> np.ndarray:
    numbers: np.ndarray = np.unique(np.array(labels, object), return_inverse=True)[1]
    return numbers


def several(names: Names) -> tuple[str, ...]:
    """A single name may stand as it is; its letters are no names."""
    return (names,) if isinstance(names, str) else tuple(names)


def name_of(data: Texts) -> str:
    """Of a file; of a frame or lists, what they are."""
    return Path(data).name if isinstance(data, str | Path) else type(data).__name__


def hash_of(data: Labelled) -> str:
    """Of texts and labels in their order: the same for a file and the frame read from it."""
    digest = hashlib.sha256()
    for part in (*data.texts, *data.labels):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()
