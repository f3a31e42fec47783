"""Features of a sound and how they change, whole or as the sound comes."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recurra.errors import OptionError
from recurra.layers.sound.deltas import Deltas
from recurra.layers.sound.features import MFCC, LogMel


class HearingState(NamedTuple):
    """Where a sound that comes in pieces stands; nothing of it at a beginning.

    `samples` are those that frames to come begin with; `frames`, of each order of slopes, those
    whose neighbours are still to come.
    """

    samples: Float[Tensor, "B R"] | None = None
    frames: tuple[Float[Tensor, "B R F"] | None, ...] = ()


class Hearing(nn.Module):
    """Samples (B, N) to features of each frame and their slopes (B, T, F).

        features = Hearing(LogMel(8000), deltas=1)
        y, state = features.feed(first)
        z, state = features.feed(second, state)
        last = features.finish(state)

    The pieces side by side are what the whole gives, to rounding. Samples at the end that fill no
    frame count nothing.

    Args:
        features: a `LogMel` or an `MFCC`.
        deltas: 0 for the features alone, 1 with their slopes, 2 with the slopes of those too. A
            frame comes out two frames later for each.

    Attributes:
        output_size: F.

    Raises:
        OptionError: an option does not fit.
    """

    def __init__(self, features: LogMel | MFCC, deltas: int = 0) -> None:
        super().__init__()
        if deltas not in (0, 1, 2):
            raise OptionError(f"Hearing: deltas is {deltas}, 0, 1 or 2 fit")
        self.features = features
        self.slopes = nn.ModuleList(Deltas(features.output_size) for _ in range(deltas))
        self.output_size = (1 + deltas) * features.output_size

    def forward(self, samples: Float[Tensor, "B N"]) -> Float[Tensor, "B T F"]:
        """A whole sound."""
        y: Tensor = self.features(samples)
        for slope in self.slopes:
            y = slope(y)
        return y

    def feed(
        self, samples: Float[Tensor, "B N"], state: HearingState | None = None
    ) -> tuple[Float[Tensor, "B T F"], HearingState]:
        """The frames that are known by now, and the state.

        Args:
            samples: what came next; any number.
            state: what the call before gave; none at a beginning.
        """
        before = HearingState() if state is None else state
        power, left = self.features.power.feed(samples, before.samples)
        y = self.features.of(power)
        kept = []
        for slope, rest in zip(self._deltas(), self._frames(before), strict=True):
            y, after = slope.feed(y, rest)
            kept.append(after)
        return y, HearingState(left, tuple(kept))

    def finish(self, state: HearingState) -> Float[Tensor, "B T F"]:
        """The frames that are left when the sound is over; none without slopes."""
        slopes, rests = self._deltas(), self._frames(state)
        y: Tensor | None = None
        for slope, rest in zip(slopes, rests, strict=True):
            if y is not None:
                more, rest = slope.feed(y, rest)
                y = torch.cat([more, slope.finish(rest)], 1)
            elif rest is not None:
                y = slope.finish(rest)
        if y is not None:
            return y
        window = self.features.power.window
        rows = 1 if state.samples is None else len(state.samples)
        return window.new_zeros(rows, 0, self.output_size)

    def _deltas(self) -> list[Deltas]:
        return [slope for slope in self.slopes if isinstance(slope, Deltas)]

    def _frames(self, state: HearingState) -> tuple[Tensor | None, ...]:
        return state.frames or (None,) * len(self.slopes)
