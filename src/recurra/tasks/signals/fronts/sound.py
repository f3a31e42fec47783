"""Sound as features of short frames: log-mel, or the cepstrum of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recurra.data.signals.sound import (
    MOST_SECONDS,
    SOUNDS,
    look_at_sound,
    read_sound,
    sound_blocks,
)
from recurra.errors import DataError, OptionError
from recurra.layers.sound import MFCC, Hearing, LogMel, hertz_of, mel_of
from recurra.tasks.signals.fronts.front import Front

FEATURES = ("log-mel", "mfcc")
LEVELS = ("removed", "kept")
# Samples that are heard at once: what lies between them and features takes some 30 MB.
PIECE = 1 << 18


@dataclass(frozen=True)
class Sound(Front):
    """Waveforms and files of sound to frames of features.

    Files are mixed down to one channel and brought to `rate`; a waveform that stands in memory is
    at this rate already. What is shorter than a window gets zeros behind it.

    Args:
        rate: samples per second that features are made from; nothing above half of it is heard.
        features: "log-mel" or "mfcc".
        bands: of log-mel, also under the cepstrum.
        coefficients: of "mfcc", the smoothest.
        window: length of a frame, milliseconds.
        hop: from one frame to the next, milliseconds.
        deltas: 1 puts slopes over time beside the features, 2 the slopes of those too.
        most_seconds: longer sounds are refused.
        level: "removed" takes the mean of each feature over a sound away: what the microphone, the
            room and the distance add to a logarithm. "kept" leaves it, and so can be had in chunks.

    Raises:
        OptionError: a field does not fit.

    Source: the mean of cepstra: Atal, "Effectiveness of linear prediction characteristics of the
    speech wave for automatic speaker identification and verification", 1974, Journal of the
    Acoustical Society of America 55, section III.
    """

    rate: int = 8000
    features: str = "log-mel"
    bands: int = 40
    coefficients: int = 13
    window: float = 25.0
    hop: float = 10.0
    deltas: int = 0
    most_seconds: float = MOST_SECONDS
    level: str = "removed"

    kind: ClassVar[str] = "sound"
    endings: ClassVar[tuple[str, ...]] = SOUNDS

    def __post_init__(self) -> None:
        if self.features not in FEATURES:
            raise OptionError(f"features is {self.features!r}, {' and '.join(FEATURES)} fit")
        if self.level not in LEVELS:
            raise OptionError(f"level is {self.level!r}, {' and '.join(LEVELS)} fit")
        if not self.most_seconds > 0:
            raise OptionError(f"most_seconds is {self.most_seconds:g}, above 0 fits")
        self._made()

    @cached_property
    def hearing(self) -> Hearing:
        """From samples (B, N) to features, whole or as they come."""
        return self._made()

    def _made(self) -> Hearing:
        """Checks its own options."""
        mel = LogMel(self.rate, self.bands, window=self.window / 1e3, hop=self.hop / 1e3)
        if self.features == "log-mel":
            return Hearing(mel, self.deltas)
        return Hearing(MFCC(mel, self.coefficients), self.deltas)

    def read(self, path: Path) -> list[tuple[str, NDArray[np.float32]]]:
        return [(path.stem, read_sound(path, self.rate, self.most_seconds))]

    def turn(self, raw: Any, name: str) -> NDArray[np.float32]:
        samples = _waveform(raw, name)
        if len(samples) > self.most_seconds * self.rate:
            raise DataError(
                f"{name}: {len(samples) / self.rate:,.0f} seconds of sound, at most "
                f"{self.most_seconds:,.0f} are taken; --most-seconds allows more"
            )
        pieces = (samples[at : at + PIECE] for at in range(0, len(samples), PIECE))
        steps = np.concatenate([*self._heard(pieces)])
        return steps - steps.mean(axis=0) if self.level == "removed" else steps

    def chunks(self, path: Path) -> Iterator[NDArray[np.float32]] | None:
        """The steps (t, F) of a file some at a time: memory does not grow with its length.

        None where the level is removed, which only the whole file has.

        Raises:
            DataError: it cannot be read; the message begins with the file.
        """
        return None if self.level == "removed" else self._heard(sound_blocks(path, self.rate))

    def facts(self, path: Path) -> tuple[str, ...]:
        found, facts = look_at_sound(path), []
        if found.channels > 1:
            facts.append(f"{found.channels} channels mixed down to one")
        if found.rate != self.rate:
            facts.append(f"{found.rate:,} samples a second brought to {self.rate:,}")
        return tuple(facts)

    def channels(self, width: int) -> tuple[str, ...]:
        if self.features == "log-mel":
            points = np.linspace(0, mel_of(self.rate / 2), self.bands + 2)[1:-1]
            own = [f"{hertz:.0f} Hz" for hertz in hertz_of(points)]
        else:
            own = [f"cepstrum {number}" for number in range(self.coefficients)]
        orders = ["", "slope of ", "curve of "][: 1 + self.deltas]
        return tuple(order + name for order in orders for name in own)

    @torch.no_grad()
    def _heard(self, pieces: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Features as far as they are known after each piece."""
        state, count = None, 0
        for piece in pieces:
            y, state = self.hearing.feed(torch.from_numpy(piece)[None], state)
            count += y.shape[1]
            if y.shape[1]:
                yield y[0].numpy()
        if state is None or state.samples is None:
            return
        y = self.hearing.finish(state)
        if not count + y.shape[1]:
            y = self.hearing(self._filled(state.samples))
        if y.shape[1]:
            yield y[0].numpy()

    def _filled(self, samples: Tensor) -> Tensor:
        """What fills no window, with zeros behind it."""
        window = self.hearing.features.power.window_size
        return F.pad(samples, (0, window - samples.shape[1]))


def _waveform(raw: Any, name: str) -> NDArray[np.float32]:
    """Samples (N,) within ±1; whole numbers are taken as parts of the largest of their type."""
    array = np.asarray(raw)
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        raise DataError(
            f"{name}: {array.dtype} of shape {array.shape}; a waveform is an array (T,) of numbers"
        )
    if not len(array):
        raise DataError(f"{name}: a sound of length 0; --skip-bad leaves such examples out")
    if array.dtype.kind == "u":
        raise DataError(f"{name}: {array.dtype} samples; int16, int32 and floats fit")
    scale = np.iinfo(array.dtype).max + 1.0 if array.dtype.kind == "i" else 1.0
    samples: NDArray[np.float32] = np.ascontiguousarray(array / scale, np.float32)
    if not np.isfinite(samples).all():
        raise DataError(f"{name}: samples that are NaN or infinite; no number may be missing")
    return samples
