"""Measured steps as features: one scale, nothing missing, names as vectors.

    z = (v - mean) / scale

A feature that is missing at a step is, by `missing`,

    mean          0, which is its mean over the training part
    mark          0; beside it stand whether it was seen, and log(1 + the time since it was)
    interpolate   on a line between its neighbours in time, at the ends its only neighbour;
                  0 where it was never seen
    cell          left to the cell, which is told what was seen

Time itself goes to cells that take it; for others log(1 + gap) is a feature. Gaps are divided by
their mean over the training part, so that they are about 1.

Where sequences are cut alike, such as windows of DNA or rows of an image, the place t of a step
says something; beside its features stand waves, sin and cos of 2π 2^k t / longest, k = 0, 1, …

Source: masks and times as inputs: Che et al., "Recurrent Neural Networks for Multivariate Time
Series with Missing Values", 2016, arXiv:1606.01865, section 2.2, GRU-simple; waves: Vaswani et al.,
"Attention Is All You Need", 2017, arXiv:1706.03762, section 3.5, there of other lengths.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recurra.cells import Cell
from recurra.engine import clear
from recurra.errors import OptionError
from recurra.layers import Embedding
from recurra.models.steps import Steps, padding

MISSING = ("none", "mark", "interpolate", "mean", "cell")


class Features(NamedTuple):
    """What layers read: `seen` where the cell is told, `gap` where it takes the time."""

    x: Float[Tensor, "B T D"]
    seen: Bool[Tensor, "B T D"] | None = None
    gap: Float[Tensor, "B T"] | None = None


class StepFeatures(nn.Module):
    """Makes features of what was measured.

    Args:
        channels: what is measured at each step, F.
        categories: of a channel that holds numbers of names, by its own number, how many there are.
        embedding_size: features of a name.
        missing: one of MISSING; "none" is told that nothing is.
        timed: whether steps have gaps.
        takes_gaps: whether the cell takes the time.
        frames: of steps that are images, a cell that makes features of each; its `x_shape` is that
            of an image, its state empty.
        places: pairs of waves that tell the place of a step; 0 for none.
        longest: steps of the slowest of these.

    Attributes:
        output_size: features of a step, D.

    Raises:
        OptionError: what is missing in an image is to be marked or left to the cell.
    """

    mean: Tensor
    scale: Tensor
    gap_scale: Tensor

    def __init__(
        self,
        channels: int,
        *,
        categories: Mapping[int, int] | None = None,
        embedding_size: int = 8,
        missing: str = "none",
        timed: bool = False,
        takes_gaps: bool = False,
        frames: Cell[Any] | None = None,
        places: int = 0,
        longest: int = 1,
    ) -> None:
        super().__init__()
        if frames is not None and missing in ("mark", "cell"):
            raise OptionError(
                f"StepFeatures: missing is {missing!r}; of images, mean or interpolate fits"
            )
        self.categories = dict(sorted((categories or {}).items()))
        self.missing, self.timed, self.takes_gaps, self.frames = missing, timed, takes_gaps, frames
        self.places, self.longest = places, longest
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("gap_scale", torch.ones(1))
        tables = [Embedding(count + 1, embedding_size) for count in self.categories.values()]
        self.tables = nn.ModuleList(tables)
        # What is missing or was never met says nothing, until it learns to.
        with torch.no_grad():
            for table in tables:
                table.weight[0].zero_()
        self.measured = [number for number in range(channels) if number not in self.categories]
        measured = len(self.measured) if frames is None else frames.output_size
        measured *= 3 if missing == "mark" else 1
        time = int(timed and not takes_gaps)
        self.output_size = measured + embedding_size * len(tables) + time + 2 * places

    def learn_scale(
        self, values: Float[Tensor, "N F"], gaps: Float[Tensor, " N"] | None = None
    ) -> None:
        """Take mean, scale and gaps from steps of the training part.

        A channel that holds nothing but 0 and 1, or one value alone, stays as it is; all pixels of
        a channel of an image have one mean and one scale.
        """
        parts = [slice(number, number + 1) for number in self.measured]
        if self.frames is not None and self.frames.x_shape is not None:
            images, height, width = self.frames.x_shape
            size = height * width
            parts = [slice(k * size, (k + 1) * size) for k in range(images)]
        for part in parts:
            self.mean[part], self.scale[part] = _mean_and_scale(values[:, part])
        if gaps is not None and (gaps > 0).any():
            self.gap_scale.fill_(float(gaps[gaps > 0].double().mean()))

    def begin(self, rows: int) -> Tensor:
        """The time since each feature was seen, (B, F), of sequences that begin."""
        return self.mean.new_zeros(rows, len(self.measured))

    def forward(self, steps: Steps, since: Tensor | None = None) -> tuple[Features, Tensor]:
        """The features of all steps, and the time since each was seen, after the last.

        Args:
            steps: cleared.
            since: what a chunk before gave; that of a beginning when not given.
        """
        dead = padding(steps.values.shape[1], steps.lengths)
        gap = self._gap(steps, dead)
        scaled = (steps.values - self.mean) / self.scale
        z = scaled[:, :, self.measured] if self.categories else scaled
        seen = ~(torch.isnan(z) | dead[..., None])
        z = z.masked_fill(~seen, 0)
        since = self.begin(len(z)) if since is None else since
        parts = [z]
        if self.missing == "mark":
            waited = _waited(seen, gap, since)
            parts += [seen.to(z.dtype), torch.log1p(waited)]
            since = waited[:, -1] if z.shape[1] else since
        elif self.missing == "interpolate":
            parts = [_between(z, seen, gap)]
        if self.frames is not None and self.frames.x_shape is not None:
            images = parts[0].unflatten(2, self.frames.x_shape)
            parts = [self.frames.sequence(images, lengths=steps.lengths)[0]]
        if self.timed and not self.takes_gaps:
            parts.append(torch.log1p(gap)[..., None])
        if self.places:
            parts.append(self._waves(z).expand(len(z), -1, -1))
        return self._with_names(steps, parts, seen, gap, dead), since

    def _with_names(
        self, steps: Steps, parts: list[Tensor], seen: Tensor, gap: Tensor, dead: Tensor
    ) -> Features:
        for number, channel in enumerate(self.categories):
            table = cast(Embedding, self.tables[number])
            numbers = steps.values[:, :, channel]
            known = (numbers >= 0) & (numbers < self.categories[channel])
            ids = torch.where(known, numbers + 1, 0).nan_to_num().long()
            parts.append(table.sequence(ids)[0])
        x = clear(dead, torch.cat(parts, dim=-1))
        told = None
        if self.missing == "cell":
            others = x.shape[2] - seen.shape[2]
            told = torch.cat([seen, seen.new_ones(*x.shape[:2], others)], dim=-1)
        return Features(x, told, gap if self.takes_gaps else None)

    def _waves(self, z: Tensor) -> Tensor:
        """Of all steps, (T, 2 * places)."""
        turns = torch.arange(z.shape[1], device=z.device, dtype=z.dtype) / self.longest
        faster = 2.0 ** torch.arange(self.places, device=z.device, dtype=z.dtype)
        angles = 2 * torch.pi * turns[:, None] * faster
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def _gap(self, steps: Steps, dead: Tensor) -> Tensor:
        """(B, T), about 1, and 0 in the padding."""
        if steps.gaps is None or not self.timed:
            return (~dead).to(steps.values.dtype)
        return steps.gaps / self.gap_scale


def _mean_and_scale(values: Tensor) -> tuple[float, float]:
    known = values[~torch.isnan(values)].double()
    if not len(known) or bool(((known == 0) | (known == 1)).all()):
        return 0.0, 1.0
    deviation = float(known.std(correction=0))
    # What hardly differs from its mean differs by rounding.
    even = deviation <= 1e-6 * float(known.abs().max())
    return float(known.mean()), 1.0 if even else deviation


def _waited(seen: Tensor, gap: Tensor, since: Tensor) -> Tensor:
    """The time since each feature was seen, (B, T, F), 0 where it is."""
    clock = gap.double().cumsum(dim=1)[..., None]
    if not clock.shape[1]:
        return seen.to(gap.dtype)
    at = torch.where(seen, clock, -since.double()[:, None]).cummax(dim=1).values
    return (clock - at).to(gap.dtype)


def _between(z: Tensor, seen: Tensor, gap: Tensor) -> Tensor:
    """What is missing on a line between its neighbours in time."""
    T = z.shape[1]
    if not T:
        return z
    places = torch.arange(T, device=z.device)[:, None].expand_as(seen)
    before = places.masked_fill(~seen, -1).cummax(dim=1).values
    after = places.masked_fill(~seen, T).flip(1).cummin(dim=1).values.flip(1)
    low = torch.where(before < 0, after, before).clamp(max=T - 1)
    high = torch.where(after == T, before, after).clamp(min=0)
    clock = gap.double().cumsum(dim=1)[..., None].expand(z.shape)
    begin, end = clock.gather(1, low), clock.gather(1, high)
    share = ((clock - begin) / (end - begin).clamp(min=1e-12)).clamp(0, 1).to(z.dtype)
    return torch.lerp(z.gather(1, low), z.gather(1, high), share)
