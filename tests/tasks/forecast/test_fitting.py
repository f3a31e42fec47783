"""The course of a fit: nothing that is held out reaches what is learned."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import Grid, Panel, Schema
from recurra.errors import DataError, OptionError
from recurra.tasks.forecast.fitting import Fit, Wishes
from recurra.tasks.forecast.network import answer
from recurra.train import Plan

WISHES = Wishes(
    horizon=None,
    season=None,
    context=None,
    model="segment",
    cell="gru",
    hidden_size=4,
    dropout=0.0,
    batch_size=4,
    seed=0,
    skip_short=False,
)
PLAN = Plan(epochs=1, quiet=True)


def a_panel(seed, lengths=(90, 120), starts=(30, 0), gaps=(0.2, 0.0), missing="auto"):
    """Series with a season of 7 and covariates; a share of each one's inner values is missing."""
    random = np.random.default_rng(seed)
    values = []
    for length, share in zip(lengths, gaps, strict=True):
        series = 3 * np.sin(2 * np.pi * np.arange(length) / 7) + random.normal(size=length)
        series[1:-1][random.random(length - 2) < share] = np.nan
        values.append(series)
    names = tuple(f"s{k}" for k in range(len(lengths)))
    return Panel(
        names=names,
        starts=np.array(starts, np.int64),
        values=tuple(values),
        past=tuple(random.normal(size=(length, 1)) for length in lengths),
        future=tuple(random.normal(size=(length, 1)) for length in lengths),
        past_names=("p",),
        future_names=("f",),
        grid=Grid("D"),
        schema=Schema(("ds",), "iso", None, names, ("p",), ("f",), "D", missing=missing),
        facts=(),
    )


def changed(panel, after, seed):
    """Other numbers, and the same gaps, at and after a grid index."""
    random = np.random.default_rng([seed, 1])

    def other(parts):
        found = []
        for part, start in zip(parts, panel.starts, strict=True):
            part = part.copy()
            rest = part[max(0, after - int(start)) :]
            rest[:] = np.where(np.isnan(rest), np.nan, 50 * random.normal(size=rest.shape))
            found.append(part)
        return tuple(found)

    return replace(
        panel, values=other(panel.values), past=other(panel.past), future=other(panel.future)
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    horizon=st.sampled_from([None, 1, 5, 20]),
    valid=st.sampled_from([None, 80]),
)
def test_what_is_held_out_changes_nothing_that_is_learned(seed, horizon, valid):
    panel, wishes = a_panel(seed), replace(WISHES, horizon=horizon)
    one = Fit(panel, wishes, PLAN, valid)
    two = Fit(
        changed(panel, one.split.valid, seed), replace(wishes, season=one.season), PLAN, valid
    )
    assert two.split == one.split
    assert two.setting == one.setting
    for left, right in ((one.scaler, two.scaler), (one.covariates, two.covariates)):
        np.testing.assert_array_equal(left.mean, right.mean)
        np.testing.assert_array_equal(left.std, right.std)
    np.testing.assert_array_equal(one.training, two.training)
    a, b = one.windows.at(one.training), two.windows.at(two.training)
    for part, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(part, other)
    t, u = one.windows.targets(one.training), two.windows.targets(two.training)
    np.testing.assert_array_equal(t.observed, u.observed)
    np.testing.assert_array_equal(t.y[t.observed], u.y[u.observed])


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    horizon=st.sampled_from([None, 1, 5, 20]),
    valid=st.sampled_from([None, 80]),
)
def test_what_is_tested_on_does_not_choose_the_season(seed, horizon, valid):
    panel, wishes = a_panel(seed, gaps=(0.0, 0.0)), replace(WISHES, horizon=horizon)
    one = Fit(panel, wishes, PLAN, valid)
    assert one.season == 7
    begin = one.split.test if valid is None else one.split.valid
    two = Fit(changed(panel, begin, seed), wishes, PLAN, valid)
    assert (two.season, two.horizon, two.split) == (one.season, one.horizon, one.split)


@given(seed=st.integers(0, 2**32 - 1), horizon=st.sampled_from([1, 5, 20]))
def test_the_three_parts_share_no_target(seed, horizon):
    fit = Fit(a_panel(seed), replace(WISHES, horizon=horizon), PLAN)
    parts = [
        {int(origin) + ahead for origin in part for ahead in range(horizon)}
        for part in (fit.training, fit.validation, fit.test)
    ]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[1] & parts[2]
    assert not parts[0] & parts[2]


@pytest.fixture(scope="module")
def fitted():
    return Fit(a_panel(0), replace(WISHES, horizon=5), PLAN).run().learned


@pytest.mark.parametrize("missing", ["more", "fewer", "the same"])
def test_a_forecast_does_not_depend_on_what_comes_at_or_after_its_origin(fitted, missing):
    panel = a_panel(0)
    windows = fitted.windows(panel, fitted.scaler)
    for origin in windows.origins(0, 10**6)[::17]:
        origin = origin[None]
        time = int(windows.times(origin)[0])
        other = changed(panel, time, 3)
        # What is known ahead is the one thing that may reach beyond.
        other = replace(other, future=panel.future)
        step = time - int(panel.starts[windows.series(origin)[0]])
        values = [part.copy() for part in other.values]
        rest = values[windows.series(origin)[0]][step:]
        if missing != "the same":
            rest[:] = np.nan if missing == "more" else 1.0
        other = replace(other, values=tuple(values))
        beyond = fitted.windows(other, fitted.scaler)
        before = answer(fitted.network, windows, origin, windows.series(origin))
        after = answer(fitted.network, beyond, origin, beyond.series(origin))
        np.testing.assert_array_equal(before, after)


def test_incomplete_windows_teach_nothing_where_they_are_dropped():
    panel = a_panel(0)
    some = Fit(a_panel(0, missing="drop"), replace(WISHES, horizon=3), PLAN)
    every = Fit(panel, replace(WISHES, horizon=3), PLAN)
    assert 0 < len(some.training) < len(every.training)
    assert some.windows.at(some.training).observed.all()
    assert some.windows.targets(some.training).observed.all()
    assert not every.windows.at(every.training).observed.all()


def test_no_whole_window_left_names_what_mends_it():
    panel = a_panel(0, gaps=(0.6, 0.6), missing="drop")
    with pytest.raises(
        DataError, match=r"no window of \d+ \+ 12 steps is left to learn from; .*int"
    ):
        Fit(panel, replace(WISHES, horizon=12), PLAN)


def test_a_short_series_is_refused_or_skipped():
    panel = a_panel(0, lengths=(120, 8), starts=(0, 112), gaps=(0.0, 0.0))
    wishes = replace(WISHES, horizon=12)
    with pytest.raises(
        DataError, match=r'series "s1" has 0 steps before .*--skip-short leaves out 1'
    ):
        Fit(panel, wishes, PLAN)
    fit = Fit(panel, replace(wishes, skip_short=True), PLAN)
    assert fit.panel.names == ("s0",)
    assert fit.whole.names == ("s0", "s1")


@given(data=st.data())
@settings(max_examples=25)
def test_the_horizon_that_an_error_names_fits(data):
    lengths = data.draw(st.tuples(st.integers(30, 60), st.integers(30, 60)))
    starts = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    panel = a_panel(0, lengths, starts, gaps=(0.0, 0.0))
    with pytest.raises(DataError, match="--horizon") as caught:
        Fit(panel, replace(WISHES, horizon=30), PLAN)
    named = int(str(caught.value).split("--horizon ")[1].split()[0])
    fit = Fit(panel, replace(WISHES, horizon=named), PLAN)
    assert fit.horizon == named
    with pytest.raises(DataError):
        Fit(panel, replace(WISHES, horizon=named + 1), PLAN)


@pytest.mark.parametrize("name", ["horizon", "season", "context"])
@pytest.mark.parametrize("value", [0, -3])
def test_a_wish_below_1_names_its_option(name, value):
    with pytest.raises(OptionError, match=f"--{name} is {value}; it is at least 1"):
        replace(WISHES, **{name: value})


def test_what_was_found_is_told_line_by_line(capsys):
    Fit(a_panel(0, gaps=(0.0, 0.0)), WISHES, Plan(epochs=1)).run()
    told, shown = capsys.readouterr()
    words = [line.split()[0] for line in shown.splitlines() if not line.startswith("epoch")]
    assert told == ""
    assert words == ["season", "horizon", "model", "learned", "blended"]
    assert "season    7 steps (autocorrelation" in shown
    assert "horizon   7 steps; --horizon N sets another" in shown
    Fit(a_panel(0, gaps=(0.0, 0.0)), WISHES, PLAN).run()
    assert capsys.readouterr() == ("", "")
