"""The estimator."""

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pandas as pd
import torch

from recurra.data import Panel, ReadOptions, read_panel
from recurra.errors import DataError, OptionError
from recurra.tasks.estimator import Measures
from recurra.tasks.forecast.backtest import backtest
from recurra.tasks.forecast.fitting import Fit, Wishes
from recurra.tasks.forecast.learned import Learned
from recurra.tasks.forecast.network import WindowLesson
from recurra.tasks.forecast.sample import write_sample
from recurra.tasks.forecast.store import from_run, to_json, to_tensors
from recurra.tasks.forecast.tables import Table, hash_of, joined, name_of, several
from recurra.tasks.learner import Learner
from recurra.tasks.learning import LEARNING
from recurra.tasks.parameters import Names
from recurra.tasks.search import Choices, Multiples, Range
from recurra.train import Course, Run, save_run

MOST_BATCH = 65_536


@dataclass
class Forecaster(Learner):
    """Predicts the next steps of every series in a table, with intervals.

    A table is the path of a CSV or Parquet file, or a pandas or polars frame; wide, with a column
    per series, or long, with a column that names the series (`unique_id`), one of dates (`ds`) and
    one of values (`y`). What is not said is found in the table, and told in a line.

    After `fit`: `learned_` (network, scales, intervals), `history_` (the epochs), `measures_`.
    """

    task: ClassVar[str] = "forecast"
    loss: ClassVar[str] = "mean absolute error,\nin deviations of the series"
    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "the answer": ("horizon",),
        "the table": (
            *("target", "time", "no_time", "series", "past", "future", "frequency", "season"),
            *("missing", "on_duplicate", "na", "skip_short", "skip_constant"),
        ),
        "the network": ("model", "cell", "hidden_size", "context", "dropout"),
        "the learning": ("batch_size", *LEARNING),
    }

    horizon: Annotated[int | None, "steps to predict; one season when not given"] = None
    target: Annotated[Names, "columns to forecast; found where there is no doubt"] = ()
    time: Annotated[str | None, "column of dates; found when not given"] = None
    no_time: Annotated[bool, "there are no dates: rows are numbered"] = False
    series: Annotated[str | None, "column that names the series of a long table"] = None
    past: Annotated[Names, "columns known up to now, to learn from"] = ()
    future: Annotated[Names, "columns known ahead, to learn from"] = ()
    frequency: Annotated[str | None, "step between rows, such as 15min, h, D, W, MS"] = None
    season: Annotated[int | None, "steps in a season; found by autocorrelation"] = None
    missing: Annotated[
        Literal["auto", "interpolate", "drop", "refuse"],
        "values that are missing: bridge them and tell the network, learn from no window with "
        "any, or refuse them; auto bridges up to 10 %",
    ] = "auto"
    on_duplicate: Annotated[
        Literal["mean", "first", "last"] | None, "which of several rows with one date counts"
    ] = None
    na: Annotated[Names, "further texts that mean missing"] = ()
    skip_short: Annotated[bool, "leave out series too short to learn from"] = False
    skip_constant: Annotated[bool, "leave out series that never change"] = False
    model: Annotated[
        Literal["segment", "autoregressive"], "all steps at once from segments, or one by one"
    ] = "segment"
    cell: Annotated[
        str,
        "recurrent cell: gru, lstm, mingru, … (docs/cells.md)",
        Choices(("gru", "lstm", "mingru")),
    ] = "gru"
    hidden_size: Annotated[int, "width of the cell, H", Choices((32, 64, 128, 256))] = 128
    context: Annotated[
        int | None,
        "steps looked back; found from season and horizon",
        Multiples((0.5, 1.0, 2.0), unless="skip_short"),
    ] = None
    dropout: Annotated[
        float, "share of features dropped before the last layer", Range(0.0, 0.5)
    ] = 0.1
    batch_size: Annotated[
        int | None, "windows per step; found from their number", Multiples((0.5, 1.0, 2.0))
    ] = None
    learning_rate: Annotated[
        float, "the optimizer's step size, per step", Range(2e-4, 2e-2, log=True)
    ] = field(default=2e-3, kw_only=True)

    learned_: Learned = field(init=False, repr=False, compare=False)

    def fit(
        self, data: Table, valid: Table | None = None, course: Course | None = None
    ) -> "Forecaster":
        """Learn from a table.

        The last stretch of time is held out: its first half to stop learning in time, its second
        to measure the model beside its baselines. Intervals are calibrated on both.

        Args:
            data: the table.
            valid: a table of the same series that follows `data` in time; held out instead.
            course: where checkpoints are kept, and who watches.

        Raises:
            DataError: something in the table does not fit; the message names the option.
            OptionError: a field has a value that does not fit.
            TrainingError: the loss is not finite.
        """
        plan, course = self.plan(), course or Course()
        self._check()
        panel, begin = self._read(data, valid)
        self.data_ = {"name": name_of(data), "sha256": hash_of(panel)}
        course = replace(course, same={**course.same, "data": self.data_["sha256"]})
        fitted = Fit(panel, self._wishes(), plan, begin, course).run()
        self.learned_ = fitted.learned
        self._keep(fitted.history, fitted.measures, course)
        return self

    def lesson(self, data: Table, valid: Table | None = None) -> WindowLesson:
        lesson = self._prepared(data, valid).lesson()
        if hasattr(self, "learned_"):
            # As it learned: the linear forecast takes its share only afterwards.
            network = deepcopy(self.learned_.network)
            network.get_buffer("share").zero_()
            lesson.model = network
        else:
            with torch.random.fork_rng(devices=[]):
                lesson.build()
        return lesson

    def settle(self, data: Table, valid: Table | None = None) -> dict[str, Any]:
        fit = self._prepared(data, valid)
        return {
            "horizon": fit.horizon,
            "season": fit.season,
            "context": fit.setting.context,
            "batch_size": fit.lesson().batch_size,
        }

    def predict(self, data: Table | None = None, *, target: Names = ()) -> pd.DataFrame:
        """The next `horizon` steps after the end of every series.

        Args:
            data: series to go on from, those of `fit` or others; those of `fit` when not given.
            target: the columns to forecast, where they have other names than in `fit`.

        Returns:
            A long frame: `unique_id`, `ds`, `y_hat`, and `lo-80`, `hi-80`, `lo-95`, `hi-95`, the
            bounds that hold the truth in 80 % and 95 % of all cases.
        """
        self._need("learned_")
        return self.learned_.forecast(self._panel(data, target))

    def measure(self, data: Table) -> Measures:
        """Errors and coverage on a table, beside the baselines.

        Series of `fit` are measured only after the part that was learned from; others everywhere.
        """
        self._need("learned_")
        return backtest(self.learned_, self._panel(data), None)

    def backtest(self, data: Table, windows: int = 12) -> pd.DataFrame:
        """The model and its baselines from `windows` moments of time, a row each method.

        Args:
            data: a table; series of `fit` are judged only after the part learned from.
            windows: moments from which forecasts begin, spread evenly up to the last one.
        """
        self._need("learned_")
        measures = backtest(self.learned_, self._panel(data), windows)
        return pd.DataFrame({"model": measures.metrics, **measures.baselines}).T

    def to_text(self, answer: pd.DataFrame) -> str:
        """As CSV, with the digits that float32 has."""
        return str(answer.to_csv(index=False, float_format="%.8g"))

    def next_command(self, run: Path, data: str) -> str:
        return f"predict {run} {data} -o forecast.csv --plot forecast.png"

    def plot(
        self,
        forecast: pd.DataFrame,
        path: str | Path,
        data: Table | None = None,
        *,
        target: Names = (),
    ) -> None:
        """Draw the end of the history, the forecast and its intervals.

        Args:
            forecast: from `predict`.
            path: a file that ends in .png, .svg or .pdf.
            data: what was given to `predict`; likewise `target`.
        """
        from recurra.tasks.forecast.plots import draw_forecast

        self._need("learned_")
        draw_forecast(Path(path), self._panel(data, target), forecast)

    def save(self, folder: str | Path) -> None:
        """Write a run folder, with pictures of the training and of the forecast."""
        from recurra.tasks.forecast.plots import draw_forecast

        self._need("learned_")
        run = self._as_run(to_json(self.learned_), to_tensors(self.learned_))
        draw: dict[str, Callable[[Path], None]] = {"training.png": self.plot_history}
        # Where covariates known ahead end with the series, there is nothing to draw yet.
        with suppress(DataError):
            forecast = self.predict()
            draw["forecast.png"] = lambda path: draw_forecast(path, self.learned_.tail, forecast)
        save_run(run, Path(folder), draw)

    def _take(self, run: Run, folder: Path) -> None:
        self.learned_ = from_run(run.learned, run.tensors, folder)

    @staticmethod
    def sample(folder: str | Path) -> Path:
        """Write a table of two daily series with a weekly season; its path."""
        return write_sample(Path(folder))

    def _prepared(self, data: Table, valid: Table | None) -> Fit:
        """All that a fit decides before it learns, in silence."""
        plan = replace(self.plan(), quiet=True)
        self._check()
        panel, begin = self._read(data, valid)
        return Fit(panel, self._wishes(), plan, begin)

    def _check(self) -> None:
        """What nothing else sees before it costs all memory or trips."""
        ranges = {"batch_size": (1, MOST_BATCH), "seed": (0, 2**63 - 1)}
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                flag = name.replace("_", "-")
                raise OptionError(f"--{flag} is {value}; it is {least} … {most}")

    def _read(self, data: Table, valid: Table | None) -> tuple[Panel, int | None]:
        options = ReadOptions(
            time=self.time,
            no_time=self.no_time,
            series=self.series,
            target=several(self.target),
            past=several(self.past),
            future=several(self.future),
            frequency=self.frequency,
            missing=self.missing,
            on_duplicate=self.on_duplicate,
            na=several(self.na),
            skip_constant=self.skip_constant,
        )
        if valid is None:
            return read_panel(data, options), None
        return joined(data, valid, options)

    def _wishes(self) -> Wishes:
        return Wishes(
            horizon=self.horizon,
            season=self.season,
            context=self.context,
            model=self.model,
            cell=self.cell,
            hidden_size=self.hidden_size,
            dropout=self.dropout,
            batch_size=self.batch_size,
            seed=self.seed,
            skip_short=self.skip_short,
        )

    def _panel(self, data: Table | None, target: Names = ()) -> Panel:
        if data is None:
            return self.learned_.tail
        options = ReadOptions(target=several(target)) if target else None
        return read_panel(data, options, schema=self.learned_.tail.schema)
