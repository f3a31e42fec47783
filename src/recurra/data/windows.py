"""Windows over a panel: what was known before an origin, and what came after it.

An origin is the first step to be predicted, written as a position in the concatenation of all
series. Everything handed out as context is indexed from before the origin; targets leave by a
method of their own; future covariates alone reach beyond. Gaps inside a context are interpolated,
which looks at the next observed value; so the step before an origin must itself be observed, and
that next value then lies before the origin too. Leakage has no way in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.panel import Panel
from recurra.data.scale import Scaler
from recurra.errors import DataError

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


class Context(NamedTuple):
    """What is known at each of B origins, scaled."""

    y: Floats  # (B, L)
    observed: Flags | None  # (B, L); None where nothing is missing and nothing is short
    past: Floats | None  # (B, L, K)
    future: Floats | None  # (B, L + P, J)


class Targets(NamedTuple):
    """What came after each of B origins, scaled."""

    y: Floats  # (B, P)
    observed: Flags  # (B, P)


@dataclass(frozen=True)
class CovariateScaler:
    """Mean and deviation of each covariate over all series' training parts.

    Args:
        mean: (K,) past covariates first, future ones after them.
        std: (K,) never 0.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def fit(cls, panel: Panel, ends: Indices) -> "CovariateScaler":
        """Learn from the first `ends[s]` steps of each series `s`."""
        moments = [
            _moments([rows[: max(0, end)] for rows, end in zip(parts, ends, strict=True)])
            for parts in (panel.past, panel.future)
        ]
        mean = np.concatenate([mean for mean, _ in moments])
        std = np.concatenate([std for _, std in moments])
        return cls(mean, std)


def _moments(parts: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
    rows = np.concatenate(parts)
    if rows.shape[1] == 0:
        return np.zeros(0), np.ones(0)
    seen = np.maximum(np.isfinite(rows).sum(axis=0), 1)
    mean = np.nansum(rows, axis=0) / seen
    std = np.sqrt(np.nansum((rows - mean) ** 2, axis=0) / seen)
    return mean, np.where(std > 0, std, 1.0)


class Windows:
    """Slices of scaled series, gathered on demand from flat arrays.

    Args:
        panel: the series.
        scaler: a mean and a deviation per series of the panel.
        covariates: the same per covariate.
        context: steps looked back, L.
        horizon: steps predicted, P.
    """

    def __init__(
        self,
        panel: Panel,
        scaler: Scaler,
        covariates: CovariateScaler,
        context: int,
        horizon: int,
    ) -> None:
        self.context, self.horizon = context, horizon
        self.names = panel.names
        self.starts = np.asarray(panel.starts, np.int64)
        self.offsets = _offsets(panel.values)
        self.y = np.empty(self.offsets[-1], np.float32)
        observed = np.empty(self.offsets[-1], np.bool_)
        for s, values in enumerate(panel.values):
            part = slice(self.offsets[s], self.offsets[s + 1])
            observed[part] = np.isfinite(values)
            self.y[part] = (_bridged(values, observed[part]) - scaler.mean[s]) / scaler.std[s]
        self.observed = None if observed.all() else observed
        split = len(panel.past_names)
        self._past = _covariates(panel.past, covariates.mean[:split], covariates.std[:split])
        self._future = _covariates(panel.future, covariates.mean[split:], covariates.std[split:])
        self._future_offsets = _offsets(panel.future)

    def series(self, origins: Indices) -> Indices:
        """The series that each origin is in; (B,)."""
        return np.asarray(np.searchsorted(self.offsets, origins - 1, side="right") - 1, np.int64)

    def times(self, origins: Indices) -> Indices:
        """The grid index of each origin; (B,)."""
        series = self.series(origins)
        return np.asarray(origins - self.offsets[series] + self.starts[series], np.int64)

    def ends(self) -> Indices:
        """One origin per series, behind its last value; (S,)."""
        return self.offsets[1:]

    def origins(self, after: int, until: int, *, whole: bool = False) -> Indices:
        """Origins whose every target lies in the grid steps `after` … `until` - 1.

        Each has a full context, an observed step before it and at least one observed target.

        Args:
            after: first grid index of a target.
            until: grid index behind the last target.
            whole: only windows in which nothing is missing.
        """
        parts = []
        for start, low, high in zip(self.starts, self.offsets, self.offsets[1:], strict=False):
            first = low + max(self.context, after - start)
            last = min(high, low + until - start) - self.horizon
            parts.append(np.arange(first, last + 1, dtype=np.int64))
        origins: Indices = np.concatenate(parts)
        if self.observed is None or len(origins) == 0:
            return origins
        origins = origins[self.observed[origins - 1]]
        seen = np.concatenate([[0], np.cumsum(self.observed, dtype=np.int64)])
        if whole:
            full = self.context + self.horizon
            keep = seen[origins + self.horizon] - seen[origins - self.context] == full
        else:
            keep = seen[origins + self.horizon] > seen[origins]
        kept: Indices = origins[keep]
        return kept

    def at(self, origins: Indices) -> Context:
        """What is known at `origins`; a series shorter than the context repeats its first value."""
        series = self.series(origins)
        index = origins[:, None] + np.arange(-self.context, 0)
        floor = self.offsets[series][:, None]
        short = index[:, :1] < floor
        observed = None
        if self.observed is not None or short.any():
            index, inside = np.maximum(index, floor), index >= floor
            observed = inside if self.observed is None else inside & self.observed[index]
        past = None if self._past is None else self._past[index]
        return Context(self.y[index], observed, past, self._ahead(origins, series))

    def targets(self, origins: Indices) -> Targets:
        """What came after `origins`."""
        index = origins[:, None] + np.arange(self.horizon)
        y = self.y[index]
        return Targets(
            y, np.ones_like(y, np.bool_) if self.observed is None else self.observed[index]
        )

    def _ahead(self, origins: Indices, series: Indices) -> Floats | None:
        if self._future is None:
            return None
        base = self._future_offsets[series] - self.offsets[series]
        index = (origins + base)[:, None] + np.arange(-self.context, self.horizon)
        late = index[:, -1] >= self._future_offsets[series + 1]
        if late.any():
            s = int(series[late.argmax()])
            known = int(self._future_offsets[s + 1] - self._future_offsets[s])
            needed = int(self.offsets[s + 1] - self.offsets[s]) + self.horizon
            raise DataError(
                f'series "{self.names[s]}": its future covariates are known for '
                f"{known - needed + self.horizon} steps after its end, the horizon is "
                f"{self.horizon}; add rows with an empty target, or lower --horizon"
            )
        return self._future[np.maximum(index, self._future_offsets[series][:, None])]


def tail(panel: Panel, steps: int) -> Panel:
    """The last `steps` steps of every series, with what is known ahead of them.

    Where they begin inside a gap, the value before it stays too, so that the gap is bridged alike.
    """
    skips = [_seen_by(values, max(0, len(values) - steps)) for values in panel.values]
    return replace(
        panel,
        starts=np.asarray(panel.starts, np.int64) + np.array(skips, np.int64),
        values=tuple(part[skip:] for part, skip in zip(panel.values, skips, strict=True)),
        past=tuple(part[skip:] for part, skip in zip(panel.past, skips, strict=True)),
        future=tuple(part[skip:] for part, skip in zip(panel.future, skips, strict=True)),
    )


def _seen_by(values: NDArray[np.float64], step: int) -> int:
    """The last observed step up to and including `step`."""
    return int(np.flatnonzero(np.isfinite(values[: step + 1]))[-1])


def _offsets(parts: Sequence[NDArray[np.float64]]) -> Indices:
    lengths = [len(part) for part in parts]
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _bridged(values: NDArray[np.float64], observed: Flags) -> NDArray[np.float64]:
    """Gaps filled by straight lines between their observed neighbours."""
    if observed.all():
        return values
    steps = np.arange(len(values))
    return np.interp(steps, steps[observed], values[observed])


def _covariates(
    parts: Sequence[NDArray[np.float64]], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> Floats | None:
    """All series' covariates, scaled; where one is not known yet, its training mean."""
    if len(mean) == 0:
        return None
    rows = (np.concatenate(parts) - mean) / std
    return np.nan_to_num(rows, nan=0.0).astype(np.float32)
