"""What a model keeps of the sequences that it learned from, to read others in the same way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from recurra.data.signals.sequences import Sequences


@dataclass(frozen=True)
class Header:
    """All that sequences are but their steps.

    Args:
        channels: names of the F channels.
        categories: of a channel, by its number, the names that its numbers stand for.
        unit: what a gap of 1 stands for; None where steps were even.
        image: of a step that is an image its channels, height and width.
    """

    channels: tuple[str, ...]
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    unit: float | None = None
    image: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, sequences: Sequences) -> "Header":
        """The header of some sequences."""
        unit = None if sequences.gaps is None else sequences.unit
        return cls(sequences.channels, dict(sequences.categories), unit, sequences.image)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain lists, texts and numbers."""
        return asdict(self) | {
            "categories": {str(channel): list(names) for channel, names in self.categories.items()}
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Header":
        """The header that `to_json` wrote."""
        categories = {int(channel): tuple(names) for channel, names in data["categories"].items()}
        image = data["image"]
        return cls(
            tuple(data["channels"]),
            categories,
            data["unit"],
            None if image is None else (image[0], image[1], image[2]),
        )
