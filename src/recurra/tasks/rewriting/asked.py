"""What is to be answered, and how messages name it."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from recurra.data import read_lines
from recurra.errors import DataError


@dataclass(frozen=True)
class Asked:
    """Texts to be answered.

    Args:
        texts: in their order.
        name: what they came from.
        row: what one of them is called.
        first: the number of the first.
    """

    texts: Sequence[str]
    name: str = "texts"
    row: str = "text"
    first: int = 1

    def where(self, place: int) -> str:
        """The text at a place, counted from 0, as a message names it."""
        return f"{self.name}: {self.row} {self.first + place:,}"


def asked_for(
    data: str | PathLike[str] | Sequence[Any] | Asked, *, max_length: int, errors: str
) -> Asked:
    """The sources of a file, or of a list; of a line what stands before a tab.

    Args:
        max_length: characters of a text at most.
        errors: as of `read_lines`.

    Raises:
        DataError: one is too long, or no text; the message names it by its number.
    """
    if isinstance(data, str | PathLike):
        texts = [line.partition("\t")[0] for line in read_lines(data, errors)]
        data = Asked(texts, f"{data}", "line")
    asked = data if isinstance(data, Asked) else Asked(_texts(data))
    for place, text in enumerate(asked.texts):
        if len(text) > max_length:
            raise DataError(
                f"{asked.where(place)} has {len(text):,} characters, the model takes "
                f"{max_length:,}; cut it into sentences, or train with --max-length {len(text)}"
            )
    return asked


def _texts(data: Sequence[Any]) -> list[str]:
    for number, text in enumerate(data, start=1):
        if not isinstance(text, str):
            raise DataError(f"texts: text {number:,} is a {type(text).__name__}; a text fits")
    return list(data)
