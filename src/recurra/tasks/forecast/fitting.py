"""From a panel to what can be known about it: the course of a fit."""

import sys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recurra.data import CovariateScaler, Panel, Scaler, Windows, find_season, tail
from recurra.errors import DataError, OptionError
from recurra.models import Blend
from recurra.tasks.estimator import Measures
from recurra.tasks.forecast.baselines import NLinear
from recurra.tasks.forecast.intervals import LEVELS, calibrate
from recurra.tasks.forecast.learned import Learned
from recurra.tasks.forecast.measure import MODEL, Units, compare, thinned, verdict
from recurra.tasks.forecast.metrics import naive_scale
from recurra.tasks.forecast.network import WindowLesson, answer, blend
from recurra.tasks.forecast.setting import Setting
from recurra.tasks.forecast.split import (
    Split,
    before,
    choose_context,
    choose_segment,
    choose_split,
    long_enough,
    longest_horizon,
    too_short,
)
from recurra.train import Course, History, Plan

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
BEFORE_EVERYTHING = -(10**15)
SHORT_HORIZON = 12
SHOWN_HORIZONS = 4
NO_COURSE = Course()


@dataclass(frozen=True)
class Wishes:
    """What the user said about the fit; None where it is to be found."""

    horizon: int | None
    season: int | None
    context: int | None
    model: str
    cell: str
    hidden_size: int
    dropout: float
    batch_size: int | None
    seed: int
    skip_short: bool

    def __post_init__(self) -> None:
        for name in ("horizon", "season", "context"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name.replace('_', '-')} is {value}; it is at least 1")


@dataclass(frozen=True)
class Fitted:
    """The outcome of a fit."""

    learned: Learned
    history: History
    measures: Measures


class Fit:
    """One fit: decides, teaches, calibrates, measures, and says so line by line.

    Args:
        panel: the series.
        wishes: what the user said.
        plan: how long and how fast to learn.
        valid: grid index at which the validation part begins, where the user gave one.
        course: where checkpoints are kept, and who watches.
    """

    def __init__(
        self,
        panel: Panel,
        wishes: Wishes,
        plan: Plan,
        valid: int | None = None,
        course: Course = NO_COURSE,
    ) -> None:
        self.wishes, self.plan, self.course = wishes, plan, course
        for fact in panel.facts:
            self._say("found", fact)
        self.whole = panel
        self.panel, self.split, self.horizon, self.season = self._divide(panel, valid)
        self.setting, self.windows, self.scaler, self.covariates = self._prepare()
        drop = panel.schema.missing == "drop"
        self.training = self._some("learn from", BEFORE_EVERYTHING, self.split.valid, drop)
        self.validation = self._some("validate on", self.split.valid, self.split.test, False)
        self.test = self._some("test on", self.split.test, self.split.end, False)

    def run(self) -> Fitted:
        """Teach the network, then measure it."""
        network, nlinear, history = self._teach()
        validation, test = (thinned(self.windows, part) for part in (self.validation, self.test))
        held_out = np.concatenate([validation, test])
        predicted = answer(network, self.windows, held_out, self.windows.series(held_out))
        targets = self.windows.targets(held_out)
        times = self.windows.times(held_out)
        intervals, shares = calibrate(
            predicted, targets.y, targets.observed, times, self.split.test
        )
        learned = Learned(
            setting=self.setting,
            network=network,
            season=self.season,
            split=self.split,
            names=self.panel.names,
            scaler=self.scaler,
            covariates=self.covariates,
            naive_scales=self._naive_scales(),
            nlinear=nlinear,
            intervals=intervals,
            tail=tail(self.whole, max(self.setting.context, SHOWN_HORIZONS * self.horizon)),
        )
        measures = self._measure(learned, test, predicted[len(validation) :], shares)
        return Fitted(learned, history, measures)

    def lesson(self) -> WindowLesson:
        """What the network learns from; it is not built yet."""
        return WindowLesson(
            self.setting,
            self.windows,
            self.training,
            self.validation,
            self.wishes.batch_size,
            self.wishes.seed,
        )

    def _teach(self) -> tuple[Blend, NLinear, History]:
        """The network and the linear forecast beside it, blended."""
        network, history = self.lesson().teach(self.plan, self.course)
        self._say(
            "learned",
            f"{len(history.epochs)} epochs in {history.epochs[-1].seconds:.0f} s, ended by "
            f"{history.ended}; kept epoch {history.best.epoch}",
        )
        nlinear = NLinear.fit(self.windows, self.training, self.validation)
        blend(network, nlinear, self.windows, self.validation)
        self._say("blended", f"{network.share:.0%} of the linear forecast, by validation")
        return network, nlinear, history

    def _measure(
        self, learned: Learned, test: Indices, predicted: Floats, shares: dict[int, float]
    ) -> Measures:
        """The model beside its baselines on the origins `test`."""
        units = Units(self.scaler.mean, self.scaler.std, learned.naive_scales)
        table = compare(self.windows, test, predicted, learned.nlinear, self.season, units)
        said = verdict(table)
        metrics = table.pop(MODEL) | {f"coverage_{level}": shares[level] for level in LEVELS}
        moments = len(np.unique(self.windows.times(test)))
        about = (
            f"on {self._span(self.split.test, self.split.end)}, held out: {len(test):,} forecasts "
            f"of {self.horizon} steps"
        )
        if moments < len(test):
            about += f" from {moments:,} moments"
        return Measures(metrics, table, about, said)

    def _say(self, what: str, fact: str) -> None:
        if not self.plan.quiet:
            print(f"{what:<9} {fact}", file=sys.stderr, flush=True)

    def _span(self, first: int, end: int) -> str:
        stamps = self.panel.grid.stamps(np.array([first, end - 1]))
        return " to ".join(short_stamp(stamp) for stamp in stamps)

    def _divide(self, panel: Panel, valid: int | None) -> tuple[Panel, Split, int, int]:
        """Horizon, season and the parts of time; series that are too short are out."""
        starts, lengths = _extent(panel)
        wishes = self.wishes
        season = self._season(panel, valid)
        horizon = wishes.horizon
        if horizon is None:
            horizon = min(season or SHORT_HORIZON, _longest_default(lengths))
            self._say("horizon", f"{horizon} steps; --horizon N sets another")
        split = choose_split(starts, lengths, horizon)
        if valid is not None:
            split = Split(valid, (valid + split.end) // 2, split.end)
        training = before(starts, lengths, split.valid)
        enough = long_enough(training, horizon, wishes.context)
        if not enough.all():
            if not (wishes.skip_short and enough.any()):
                fits = longest_horizon(starts, lengths, wishes.context, valid)
                raise too_short(panel.names, training, enough, horizon, wishes.context, fits)
            self._say("skipped", f"{int((~enough).sum())} series too short to learn from")
            panel = _only(panel, np.flatnonzero(enough))
        return panel, split, horizon, season or 1

    def _season(self, panel: Panel, valid: int | None) -> int | None:
        """The season that the user set, or one found before the part that is tested on.

        Like every choice made by validation, it may look at the validation part.
        """
        if self.wishes.season is not None:
            return self.wishes.season
        begin = valid
        if begin is None:
            starts, lengths = _extent(panel)
            horizon = self.wishes.horizon or _longest_default(lengths)
            begin = choose_split(starts, lengths, horizon).test
        parts = zip(panel.values, before(*_extent(panel), begin), strict=True)
        seen = [values[: max(0, end)] for values, end in parts]
        found = find_season(seen, panel.grid.frequency)
        if found is None:
            self._say("season", "none found; --season N sets one")
            return None
        self._say("season", f"{found.length} steps (autocorrelation {found.strength:.2f})")
        return found.length

    def _prepare(self) -> tuple[Setting, Windows, Scaler, CovariateScaler]:
        """The network's shape, and the scaled windows."""
        panel, wishes = self.panel, self.wishes
        starts, lengths = _extent(panel)
        training = before(starts, lengths, self.split.valid)
        context = wishes.context or choose_context(int(training.min()), self.horizon, self.season)
        context, segment = choose_segment(context, self.horizon, wishes.context is not None)
        # Learning from whole windows alone, the network could not know what a gap means.
        gaps = panel.schema.missing != "drop" and any(np.isnan(v).any() for v in panel.values)
        setting = Setting(
            model=wishes.model,
            cell=wishes.cell,
            hidden_size=wishes.hidden_size,
            horizon=self.horizon,
            context=context,
            segment=1 if wishes.model == "autoregressive" else segment,
            series=len(panel.names),
            past=len(panel.past_names),
            future=len(panel.future_names),
            gaps=gaps,
            dropout=wishes.dropout,
        )
        scaler = Scaler.fit(panel.names, panel.values, training)
        covariates = CovariateScaler.fit(panel, training)
        windows = Windows(panel, scaler, covariates, context, self.horizon)
        pieces = f" in {context // segment} segments" if setting.segment > 1 else ""
        self._say(
            "model",
            f"{setting.cell} of {setting.hidden_size}, {setting.model}: looks back {context} "
            f"steps{pieces}; {setting.weights():,} weights",
        )
        return setting, windows, scaler, covariates

    def _some(self, purpose: str, after: int, until: int, whole: bool) -> Indices:
        origins = self.windows.origins(after, until, whole=whole)
        if len(origins) == 0:
            hint = "--missing interpolate uses incomplete ones" if whole else "more rows mend it"
            raise DataError(
                f"no window of {self.setting.context} + {self.horizon} steps is left to {purpose}; "
                f"a smaller --horizon or --context, or {hint}"
            )
        return origins

    def _naive_scales(self) -> NDArray[np.float64]:
        starts, lengths = _extent(self.panel)
        training = before(starts, lengths, self.split.valid)
        parts = zip(self.panel.values, training, strict=True)
        return np.array([naive_scale(values[:end], self.season) for values, end in parts])


def _longest_default(lengths: Indices) -> int:
    """The longest horizon taken unasked: enough is held out to see several of it."""
    return max(1, int(lengths.min()) // 10)


def _extent(panel: Panel) -> tuple[Indices, Indices]:
    lengths = np.array([len(values) for values in panel.values], np.int64)
    return np.asarray(panel.starts, np.int64), lengths


def _only(panel: Panel, keep: Indices) -> Panel:
    return replace(
        panel,
        names=tuple(panel.names[s] for s in keep),
        starts=panel.starts[keep],
        values=tuple(panel.values[s] for s in keep),
        past=tuple(panel.past[s] for s in keep),
        future=tuple(panel.future[s] for s in keep),
    )


def short_stamp(stamp: np.datetime64 | np.int64) -> str:
    """A stamp for people, without a clock that says nothing."""
    if isinstance(stamp, np.datetime64):
        return str(stamp)[:19].removesuffix("T00:00:00").replace("T", " ").removesuffix(":00")
    return f"step {stamp}"
