"""The contract of a front end."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class Front(ABC):
    """Turns one example, as its file or a list holds it, into steps of features.

    Subclasses are frozen dataclasses: their fields are all that shapes them, whole numbers, floats,
    texts and None, which `dataclasses.asdict` puts into a run folder and the constructor checks.
    Nothing in one is learned.

    Attributes:
        kind: its name in `FRONTS`.
        endings: of the files that it reads, in small letters, such as ".wav".
        several: whether one file holds several examples; then a label may stand in the name of
            each, behind a blank.
    """

    kind: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]
    several: ClassVar[bool] = False

    @abstractmethod
    def read(self, path: Path) -> list[tuple[str, Any]]:
        """What a file holds: a name and the raw example; of each, where there are several.

        Raises:
            DataError: it cannot be read; the message begins with the file.
        """

    @abstractmethod
    def turn(self, raw: Any, name: str) -> NDArray[np.float32]:
        """The steps (T, F) of one raw example, as `read` gives it or as it stands in a list.

        Args:
            name: what errors call it.

        Raises:
            DataError: it does not fit.
        """

    @abstractmethod
    def channels(self, width: int) -> tuple[str, ...]:
        """The names of the F features, `width` of them."""

    def facts(self, path: Path) -> tuple[str, ...]:
        """What is to be said of how a file is read, the same words for files that are alike."""
        del path
        return ()

    def chunks(self, path: Path) -> Iterator[NDArray[np.float32]] | None:
        """The steps (t, F) of a file, some at a time; None where files are read whole.

        Raises:
            DataError: it cannot be read; the message begins with the file.
        """
        del path
        return None

    def strands(self, width: int) -> tuple[int, ...] | None:
        """Where each feature comes from when a sequence is read as its other strand, backwards.

        None where there is no other strand.
        """
        del width
        return None

    def image(self) -> tuple[int, int, int] | None:
        """Channels, height and width of a step that is an image."""
        return None
