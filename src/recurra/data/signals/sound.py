"""Sound from files: read in blocks, mixed down to one channel, brought to one rate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from recurra.errors import DataError, MissingFileError, MissingPackageError, OptionError

SOUNDS = (".wav", ".flac", ".ogg")
BLOCK_SECONDS = 1.0
MOST_SECONDS = 600.0


@dataclass(frozen=True)
class SoundFile:
    """What a file says of the sound in it.

    Args:
        rate: samples per second, as they stand there.
        channels: how many are mixed down to one.
        samples: of one channel; as the file claims.
    """

    rate: int
    channels: int
    samples: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / self.rate


def look_at_sound(path: Path) -> SoundFile:
    """What a file says of itself, without reading the sound.

    Raises:
        MissingFileError: it is not there.
        MissingPackageError: soundfile is not installed.
        DataError: it is no sound, or an empty one.
    """
    with _opened(path) as file:
        return SoundFile(file.samplerate, file.channels, file.frames)


def read_sound(
    path: Path, rate: int, most_seconds: float = MOST_SECONDS
) -> Float32[np.ndarray, " N"]:
    """The samples of a whole file, within ±1.

    Args:
        rate: samples per second that it is brought to.
        most_seconds: what is longer is refused.

    Raises:
        MissingFileError, MissingPackageError: as `sound_blocks`.
        DataError: as `sound_blocks`, or the sound is too long.
    """
    seconds = look_at_sound(path).seconds
    if seconds > most_seconds:
        raise DataError(
            f"{path}: {seconds:,.0f} seconds of sound, at most {most_seconds:,.0f} are read; "
            "--most-seconds allows more, or cut the file into pieces"
        )
    return np.concatenate([*sound_blocks(path, rate)])


def sound_blocks(
    path: Path, rate: int, seconds: float = BLOCK_SECONDS
) -> Iterator[Float32[np.ndarray, " N"]]:
    """The samples of a file, piece by piece, so that memory does not grow with its length.

    Several channels become their mean. The pieces side by side are the whole: the resampler goes
    on from one to the next.

    Args:
        rate: samples per second that it is brought to.
        seconds: of a piece as it stands in the file; those that come out differ a little in length.

    Raises:
        MissingFileError: the file is not there.
        MissingPackageError: soundfile is not installed, or soxr where rates differ.
        DataError: it is no sound, empty, damaged, or holds numbers that are not finite.
        OptionError: rate or seconds do not fit.
    """
    if rate < 1 or seconds <= 0:
        raise OptionError(f"sound_blocks: rate {rate}, seconds {seconds:g}; both above 0 fit")
    with _opened(path) as file:
        turn = _resampler(path, file.samplerate, rate)
        size = max(1, round(seconds * file.samplerate))
        before = _mixed(path, file, size)
        while len(before):
            after = _mixed(path, file, size)
            piece = turn(before, not len(after))
            if len(piece):
                yield piece
            before = after


def _mixed(path: Path, file: Any, size: int) -> NDArray[np.float32]:
    """The next samples, all channels as one; none at the end."""
    with _told(path):
        block: NDArray[np.float32] = file.read(size, dtype="float32", always_2d=True)
    mixed: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mixed).all():
        raise DataError(
            f"{path}: samples that are NaN or infinite; write the file anew, or leave "
            "it out with --skip-bad"
        )
    return mixed


def _resampler(
    path: Path, found: int, wanted: int
) -> Callable[[NDArray[np.float32], bool], NDArray[np.float32]]:
    """From samples, and whether they are the last, to those at another rate."""
    if found == wanted:
        return lambda samples, last: samples
    try:
        import soxr
    except ImportError as error:
        raise MissingPackageError(
            f"{path.name}: {found:,} samples a second as {wanted:,} needs soxr; "
            "pip install 'recurra[speech]'"
        ) from error
    stream = soxr.ResampleStream(found, wanted, 1, dtype="float32")

    def turn(samples: NDArray[np.float32], last: bool) -> NDArray[np.float32]:
        turned: NDArray[np.float32] = stream.resample_chunk(samples, last=last)
        return turned

    return turn


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import soundfile
    except ImportError as error:
        raise MissingPackageError(
            f"{path.name}: sound needs soundfile; pip install 'recurra[speech]'"
        ) from error
    if not path.is_file():
        raise MissingFileError(f"{path}: there is no such file")
    with _told(path):
        file = soundfile.SoundFile(path)
    with file:
        if not file.frames:
            raise DataError(f"{path}: a sound of length 0; --skip-bad leaves such files out")
        yield file


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in one line what libsndfile finds wrong."""
    import soundfile

    try:
        yield
    except soundfile.SoundFileError as error:
        reason = str(error).rpartition(": ")[2].strip().rstrip(".")
        raise DataError(
            f"{path}: cannot be read as sound ({reason}); WAV, FLAC and OGG fit, --skip-bad leaves "
            "such files out"
        ) from error
