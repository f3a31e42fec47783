"""Video as small square images at even times."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recurra.data.signals.video import CHUNK, VIDEOS, Look, read_video, video_chunks
from recurra.errors import DataError, OptionError
from recurra.tasks.signals.fronts.front import Front

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Video(Front):
    """Clips to frames of brightness within 0 … 1, each a square as one vector of C * H * W.

    Args:
        rate: frames per second.
        size: height and width of a frame, pixels; what is not square is stretched.
        grey: one channel in the place of three colours.
        most_frames: clips of more are refused, where they are taken whole.

    Raises:
        OptionError: a field does not fit.
    """

    rate: float = 10.0
    size: int = 32
    grey: bool = True
    most_frames: int = 3000

    kind: ClassVar[str] = "video"
    endings: ClassVar[tuple[str, ...]] = VIDEOS

    def __post_init__(self) -> None:
        if self.most_frames < 1:
            raise OptionError(f"most_frames is {self.most_frames}, at least 1 fits")
        Look(self.rate, self.size, self.grey)

    @property
    def look(self) -> Look:
        """How a clip is looked at."""
        return Look(self.rate, self.size, self.grey)

    def read(self, path: Path) -> list[tuple[str, NDArray[np.uint8]]]:
        return [(path.stem, read_video(path, self.look, self.most_frames))]

    def turn(self, raw: Any, name: str) -> NDArray[np.float32]:
        frames = np.asarray(raw)
        if frames.ndim == 3 and self.grey:
            frames = frames[:, None]
        if frames.shape[1:] != self.image() or frames.dtype.kind not in "fu":
            own = ", ".join(map(str, self.image()))
            raise DataError(
                f"{name}: {frames.dtype} of shape {np.shape(raw)}; frames (T, {own}) of uint8, or "
                "of floats within 0 … 1, fit; --size says another height and width"
            )
        if not 1 <= len(frames) <= self.most_frames:
            raise DataError(
                f"{name}: {len(frames):,} frames; 1 to {self.most_frames:,} fit, --most-frames "
                "says how many"
            )
        return _steps(frames)

    def chunks(self, path: Path) -> Iterator[NDArray[np.float32]]:
        """The steps (t, F) of a clip some at a time: memory does not grow with its length.

        Raises:
            DataError: it cannot be read; the message begins with the file.
        """
        for frames in video_chunks(path, self.look, CHUNK):
            yield _steps(frames)

    def channels(self, width: int) -> tuple[str, ...]:
        colours = ("",) if self.grey else tuple(f"{colour} of " for colour in COLOURS)
        sides = range(self.size)
        return tuple(
            f"{colour}row {row}, column {column}"
            for colour in colours
            for row in sides
            for column in sides
        )

    def image(self) -> tuple[int, int, int]:
        return (self.look.channels, self.size, self.size)


def _steps(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Each frame as one vector; bytes as parts of 255."""
    flat = frames.reshape(len(frames), -1)
    if flat.dtype == np.uint8:
        return flat.astype(np.float32) / np.float32(255)
    return flat.astype(np.float32)
