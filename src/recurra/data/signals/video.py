"""Video from files: frames at even times as small squares, a few of them at a time.

A frame of the result is the one of the file that is nearest in time: so at the file's own rate each
is there once, also where its times were rounded. Frames become squares by the mean over the area
behind each pixel; what is not square is stretched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from recurra.errors import DataError, MissingFileError, MissingPackageError, OptionError

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v")
CHUNK = 64
# Nothing that a container names, such as a playlist's parts, is opened.
ALONE = {"protocol_whitelist": "none"}

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """How a clip is looked at.

    Args:
        rate: frames per second.
        size: height and width of a frame, pixels.
        grey: one channel of brightness in the place of red, green and blue.

    Raises:
        OptionError: a field does not fit.
    """

    rate: float = 10.0
    size: int = 32
    grey: bool = True

    def __post_init__(self) -> None:
        if not 1e-3 <= self.rate <= 1000:
            raise OptionError(f"rate is {self.rate:g} frames a second, 0.001 to 1000 fit")
        if not 1 <= self.size <= 1024:
            raise OptionError(f"size is {self.size} pixels, 1 to 1024 fit")

    @property
    def channels(self) -> int:
        """Of a frame."""
        return 1 if self.grey else 3


def read_video(path: Path, look: Look, most_frames: int) -> UInt8[np.ndarray, "T C H W"]:
    """All frames of a clip.

    Raises:
        MissingFileError, MissingPackageError: as `video_chunks`.
        DataError: as `video_chunks`, or there are more frames.
    """
    parts, count = [], 0
    for part in video_chunks(path, look):
        parts.append(part)
        count += len(part)
        if count > most_frames:
            raise DataError(
                f"{path}: more than {most_frames:,} frames at {look.rate:g} a second; a lower "
                "--rate or a higher --most-frames fits, or cut the clip"
            )
    return np.concatenate(parts)


def video_chunks(
    path: Path, look: Look, chunk: int = CHUNK
) -> Iterator[UInt8[np.ndarray, "t C H W"]]:
    """The frames of a clip, at most `chunk` at once: memory does not grow with its length.

    Raises:
        MissingFileError: the file is not there.
        MissingPackageError: PyAV is not installed.
        DataError: it is no video, has no frame, or is damaged.
    """
    waiting: list[Image] = []
    for image in _at_even_times(_decoded(path, look), Fraction(look.rate).limit_denominator(10**6)):
        waiting.append(image)
        if len(waiting) == chunk:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


@dataclass(frozen=True)
class _Shown:
    """An image (C, H, W), and when it is shown and for how long, in seconds."""

    image: Image
    time: Fraction
    lasts: Fraction


def _at_even_times(frames: Iterator[_Shown], rate: Fraction) -> Iterator[Image]:
    """At each multiple of 1 / rate the nearest frame."""
    last, tick = next(frames), Fraction(0)
    begin = last.time
    for frame in frames:
        while tick < (last.time + frame.time) / 2 - begin:
            yield last.image
            tick += 1 / rate
        last = frame
    while tick == 0 or tick < last.time - begin + last.lasts / 2:
        yield last.image
        tick += 1 / rate


def _decoded(path: Path, look: Look) -> Iterator[_Shown]:
    """Every frame of the first video in a file, small; times never go back."""
    count, time, lasts = 0, Fraction(0), Fraction(0)
    with _opened(path) as clip:
        video = clip.streams.video[0]
        video.thread_type, video.codec_context.thread_count = "NONE", 1
        usual = 1 / Fraction(video.average_rate or 25)
        frames = clip.decode(video)
        while True:
            with _told(path, f"after {count:,} frames"):
                frame = next(frames, None)
                if frame is None:
                    break
                image = _small(frame, look)
            found = time + lasts if frame.pts is None else frame.pts * frame.time_base
            time = max(time, found) if count else found
            lasts = frame.duration * frame.time_base if frame.duration else usual
            count += 1
            yield _Shown(image, time, lasts)
    if not count:
        raise DataError(f"{path}: a video without a frame; --skip-bad leaves such files out")


def _small(frame: Any, look: Look) -> Image:
    """A frame as a square (C, H, W), upright."""
    size, kind = look.size, "gray" if look.grey else "rgb24"
    small = frame.reformat(width=size, height=size, format=kind, interpolation="AREA")
    image: Image = small.to_ndarray().reshape(size, size, look.channels)
    # Phones write how the camera was held beside the frames.
    return np.rot90(image, round(frame.rotation / 90)).transpose(2, 0, 1).copy()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import av
    except ImportError as error:
        raise MissingPackageError(
            f"{path.name}: video needs PyAV; pip install 'recurra[video]'"
        ) from error
    if not path.is_file():
        raise MissingFileError(f"{path}: there is no such file")
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise DataError(f"{path}: an empty file; --skip-bad leaves such files out")
        with _told(path, "in its head"):
            clip = av.open(file, options=ALONE)
        with clip:
            if not clip.streams.video:
                raise DataError(f"{path}: no video in it; --skip-bad leaves such files out")
            yield clip


@contextmanager
def _told(path: Path, place: str) -> Iterator[None]:
    """Say in one line what FFmpeg finds wrong."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as video, {place} ({error.strerror}); --skip-bad leaves such "
            "files out"
        ) from error
