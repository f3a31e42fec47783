"""Training sequences a little otherwise in every epoch.

What is done follows from the seed, the epoch and the number of a sequence alone, so neither the
batch it is in nor a training that goes on after a break changes it.

Source: noise, scale, masks of time and warps of it: Um et al., "Data Augmentation of Wearable
Sensor Data for Parkinson's Disease Monitoring using Convolutional Neural Networks", 2017,
arXiv:1706.00527, section 3; masks: Park et al., "SpecAugment", 2019, arXiv:1904.08779, section 2.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from recurra.errors import OptionError

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
SHARES = ("mask_time", "mask_channels", "crop")


class Changed(NamedTuple):
    """Steps, their gaps, and of each the number of the step it was before."""

    values: Floats
    gaps: Floats | None
    places: Indices


@dataclass(frozen=True)
class Augment:
    """How far training sequences are changed; 0 leaves them as they are.

    Args:
        noise: deviation of what is added to each number, in deviations of its channel.
        scale: deviation of the logarithm of a factor on each channel's distance from its mean.
        shift: deviation of what is added to all of a channel, in deviations of it.
        stretch: most that time goes faster or slower, as a logarithm.
        crop: largest share of steps cut off, part of it in front and part of it behind.
        mask_time: largest share of steps, on end, whose numbers are taken away.
        mask_channels: probability that a channel is taken away.
    """

    noise: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    crop: float = 0.0
    mask_time: float = 0.0
    mask_channels: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), 1.0 if field.name in SHARES else 10.0
            if not (isinstance(value, float | int) and 0 <= value < most):
                flag = field.name.replace("_", "-")
                raise OptionError(f"--{flag} is {value!r}; it lies in 0 … {most:g}, 0 for none")

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def change(
        self,
        values: Float32[np.ndarray, "T F"],
        gaps: Float32[np.ndarray, " T"] | None,
        scales: tuple[Floats, Floats],
        names: Collection[int],
        key: tuple[int, int, int],
    ) -> Changed:
        """A sequence otherwise; what came in is left as it was.

        Args:
            values: NaN where missing.
            gaps: where steps are uneven.
            scales: mean and deviation of each channel, (F,).
            names: channels that hold numbers of names, which are taken away, and never changed.
            key: seed, epoch and the sequence's number.
        """
        random = default_rng(key)
        measured = np.ones(values.shape[1], bool)
        measured[list(names)] = False
        found = self._in_time(values, gaps, measured, random)
        values = found.values
        if self.noise or self.scale or self.shift:
            values = np.where(measured, self._in_value(values, scales, random), values)
        hidden = self._hidden(values.shape, random)
        taken = np.where(measured, scales[0], np.nan)
        return found._replace(values=np.where(hidden, taken, values).astype(np.float32))

    def _in_time(
        self, values: Floats, gaps: Floats | None, measured: NDArray[np.bool_], random: Generator
    ) -> Changed:
        places = np.arange(len(values))
        cut = int(random.uniform(0, self.crop) * len(values)) if self.crop else 0
        if cut:
            first = int(random.integers(0, cut + 1))
            places = places[first : first + len(values) - cut]
            gaps = None if gaps is None else gaps[places]
            values = values[places]
        if not self.stretch or not len(values):
            return Changed(values, gaps, places)
        factor = float(np.exp(random.uniform(-self.stretch, self.stretch)))
        if gaps is not None:
            return Changed(values, gaps * np.float32(factor), places)
        at = np.linspace(0, len(values) - 1, max(1, round(len(values) * factor)))
        nearest = np.rint(at).astype(np.int64)
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, len(values) - 1)
        share = (at - low)[:, None].astype(np.float32)
        between = values[low] + np.where(share > 0, share * (values[high] - values[low]), 0)
        return Changed(np.where(measured, between, values[nearest]), None, places[nearest])

    def _in_value(
        self, values: Floats, scales: tuple[Floats, Floats], random: Generator
    ) -> NDArray[np.floating[Any]]:
        (mean, deviation), channels = scales, values.shape[1]
        z = (values - mean) / deviation * np.exp(random.normal(0, self.scale, channels))
        z = z + random.normal(0, self.shift, channels)
        if self.noise:
            z = z + random.normal(0, self.noise, z.shape)
        moved: NDArray[np.floating[Any]] = mean + z * deviation
        return moved

    def _hidden(self, shape: tuple[int, ...], random: Generator) -> NDArray[np.bool_]:
        hidden = np.zeros(shape, bool)
        steps = int(random.uniform(0, self.mask_time) * shape[0]) if self.mask_time else 0
        if steps:
            first = int(random.integers(0, shape[0] - steps + 1))
            hidden[first : first + steps] = True
        if self.mask_channels:
            hidden |= random.random(shape[1]) < self.mask_channels
        return hidden
