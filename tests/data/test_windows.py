"""Windows against a slow reading of the panel, and the laws that keep the future out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import CovariateScaler, Grid, Panel, Scaler, Schema, Windows, tail
from recurra.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)


def a_panel(seed, *, lengths=(20, 31), starts=(0, 4), past=1, future=1, extra=3, gaps=0.0):
    """Series of random numbers; with `gaps`, that share of the inner values is missing."""
    random = np.random.default_rng(seed)
    values = []
    for length in lengths:
        series = random.normal(size=length).cumsum()
        series[1:-1][random.random(length - 2) < gaps] = np.nan
        values.append(series)
    names = tuple(f"s{k}" for k in range(len(lengths)))
    return Panel(
        names=names,
        starts=np.array(starts, np.int64),
        values=tuple(values),
        past=tuple(random.normal(size=(length, past)) for length in lengths),
        future=tuple(random.normal(size=(length + extra, future)) for length in lengths),
        past_names=tuple(f"p{k}" for k in range(past)),
        future_names=tuple(f"f{k}" for k in range(future)),
        grid=Grid("D"),
        schema=Schema(("ds",), "iso", None, names),
        facts=(),
    )


def fixed(panel, *, mean=1.0, std=2.0):
    """Scales that do not depend on the panel's numbers."""
    S, K = len(panel), len(panel.past_names) + len(panel.future_names)
    scaler = Scaler(panel.names, np.full(S, mean), np.full(S, std))
    return scaler, CovariateScaler(np.full(K, mean), np.full(K, std))


def windows(panel, context=5, horizon=3, **scales):
    return Windows(panel, *fixed(panel, **scales), context, horizon)


def changed(panel, random, series, from_, *, future_too=False):
    """The panel with other numbers, and other gaps, at and after a step of one series."""

    def other(part, keep_ends=False):
        part = part.copy()
        part[from_:] = random.normal(size=part[from_:].shape) * 100
        if not keep_ends:
            part[from_:][random.random(part[from_:].shape) < 0.3] = np.nan
        return part

    values, past, future = list(panel.values), list(panel.past), list(panel.future)
    values[series] = other(values[series])
    past[series] = other(past[series])
    if future_too:
        future[series] = other(future[series], keep_ends=True)
    return replace(panel, values=tuple(values), past=tuple(past), future=tuple(future))


def slow_context(panel, series, step, context, mean=1.0, std=2.0):
    """y and observed by the definition, from what lies before `step` alone."""
    known = panel.values[series][:step]
    seen = np.isfinite(known)
    filled = np.interp(np.arange(step), np.flatnonzero(seen), known[seen])
    short = max(0, context - step)
    y = np.concatenate([np.full(short, filled[0]), filled[max(0, step - context) :]])
    observed = np.concatenate([np.zeros(short, bool), seen[max(0, step - context) :]])
    return (y - mean) / std, observed


def position(found, origin):
    """Series and step within it of an origin."""
    series = int(found.series(np.array([origin]))[0])
    return series, int(origin - found.offsets[series])


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_contexts_and_targets_are_what_the_panel_holds(gaps):
    panel = a_panel(1, past=2, future=2, gaps=gaps)
    found = windows(panel)
    origins = found.origins(-100, 100)
    context, targets = found.at(origins), found.targets(origins)
    assert len(origins) > 10
    assert context.y.dtype == targets.y.dtype == np.float32
    for row, origin in enumerate(origins):
        s, step = position(found, origin)
        y, observed = slow_context(panel, s, step, 5)
        np.testing.assert_allclose(context.y[row], y, rtol=1e-6, atol=1e-6)
        if context.observed is None:
            assert observed.all()
        else:
            np.testing.assert_array_equal(context.observed[row], observed)
        past = (panel.past[s][step - 5 : step] - 1) / 2
        np.testing.assert_allclose(context.past[row], past, rtol=1e-6, atol=1e-6)
        ahead = (panel.future[s][step - 5 : step + 3] - 1) / 2
        np.testing.assert_allclose(context.future[row], ahead, rtol=1e-6, atol=1e-6)
        true = panel.values[s][step : step + 3]
        np.testing.assert_array_equal(targets.observed[row], np.isfinite(true))
        seen = targets.observed[row]
        np.testing.assert_allclose(targets.y[row][seen], (true[seen] - 1) / 2, rtol=1e-6, atol=1e-6)


def test_without_covariates_and_gaps_there_is_nothing_to_carry():
    found = windows(a_panel(0, past=0, future=0))
    context = found.at(found.origins(-100, 100))
    assert (context.observed, context.past, context.future) == (None, None, None)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("gaps", [0.0, 0.3])
@given(seed=SEEDS, after=st.integers(-5, 40), length=st.integers(0, 40))
def test_origins_are_all_that_fit_and_no_other(gaps, whole, seed, after, length):
    panel = a_panel(seed, gaps=gaps)
    found, until = windows(panel), after + length
    expected = []
    for s, (start, values) in enumerate(zip(panel.starts, panel.values, strict=True)):
        for step in range(5, len(values) - 3 + 1):
            first = start + step
            seen = np.isfinite(values)
            fits = after <= first and first + 3 <= until
            fits &= bool(seen[step - 1]) and bool(seen[step : step + 3].any())
            if fits and (not whole or seen[step - 5 : step + 3].all()):
                expected.append(found.offsets[s] + step)
    origins = found.origins(after, until, whole=whole)
    assert origins.tolist() == expected
    times = found.times(origins)
    assert ((times >= after) & (times + 3 <= until)).all()


@given(seed=SEEDS, data=st.data())
def test_what_comes_at_or_after_an_origin_does_not_reach_its_context(seed, data):
    panel = a_panel(seed, gaps=0.3)
    found = windows(panel)
    origins = found.origins(-100, 100)
    origin = origins[data.draw(st.integers(0, len(origins) - 1))][None]
    s, step = position(found, origin[0])
    other = windows(changed(panel, np.random.default_rng(seed), s, step))
    before, after = found.at(origin), other.at(origin)
    np.testing.assert_array_equal(before.y, after.y)
    np.testing.assert_array_equal(before.past, after.past)
    np.testing.assert_array_equal(before.future, after.future)
    np.testing.assert_array_equal(before.observed, after.observed)


@given(seed=SEEDS, data=st.data())
def test_of_the_future_only_what_is_known_ahead_is_handed_out(seed, data):
    panel = a_panel(seed, gaps=0.3)
    found = windows(panel)
    origins = found.origins(-100, 100)
    origin = origins[data.draw(st.integers(0, len(origins) - 1))][None]
    s, step = position(found, origin[0])
    random = np.random.default_rng(seed)
    other = windows(changed(panel, random, s, step, future_too=True)).at(origin)
    before = found.at(origin)
    np.testing.assert_array_equal(before.future[:, :5], other.future[:, :5])
    assert (before.future[:, 5:] != other.future[:, 5:]).all()
    beyond = windows(changed(panel, random, s, step + 3, future_too=True)).at(origin)
    np.testing.assert_array_equal(before.future, beyond.future)


@given(seed=SEEDS, valid=st.integers(8, 25))
def test_training_windows_do_not_see_what_is_held_out(seed, valid):
    panel = a_panel(seed, gaps=0.3)
    other = panel
    random = np.random.default_rng(seed)
    for s, start in enumerate(panel.starts):
        values = changed(other, random, s, max(0, valid - int(start)), future_too=True)
        other = values
    one, two = windows(panel), windows(other)
    origins = one.origins(-100, valid)
    assert two.origins(-100, valid).tolist() == origins.tolist()
    if not len(origins):
        return
    a, b, t, u = one.at(origins), two.at(origins), one.targets(origins), two.targets(origins)
    for name in ("y", "past", "future"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(t.observed, u.observed)
    np.testing.assert_array_equal(t.y[t.observed], u.y[u.observed])


@given(seed=SEEDS, valid=st.integers(8, 40))
def test_parts_of_time_share_no_target(seed, valid):
    found = windows(a_panel(seed, gaps=0.2))
    training, test = found.origins(-100, valid), found.origins(valid, 100)
    learned = {int(origin + ahead) for origin in training for ahead in range(3)}
    assert not learned & {int(origin + ahead) for origin in test for ahead in range(3)}
    assert (found.times(training) + 3 <= valid).all()
    assert (found.times(test) >= valid).all()


@given(seed=SEEDS, ends=st.tuples(st.integers(1, 20), st.integers(1, 31)))
def test_covariates_are_scaled_by_their_training_part(seed, ends):
    panel = a_panel(seed, past=1, future=2)
    learned = CovariateScaler.fit(panel, np.array(ends, np.int64))
    parts = [
        np.concatenate([rows[:end] for rows, end in zip(group, ends, strict=True)])
        for group in (panel.past, panel.future)
    ]
    mean = np.concatenate([part.mean(axis=0) for part in parts])
    std = np.concatenate([part.std(axis=0) for part in parts])
    np.testing.assert_allclose(learned.mean, mean, atol=1e-12)
    np.testing.assert_allclose(learned.std, std, atol=1e-12)
    other, random = panel, np.random.default_rng(seed)
    for s, end in enumerate(ends):
        other = changed(other, random, s, end, future_too=True)
    again = CovariateScaler.fit(other, np.array(ends, np.int64))
    np.testing.assert_array_equal(again.mean, learned.mean)
    np.testing.assert_array_equal(again.std, learned.std)


def test_a_covariate_that_never_changes_or_is_never_known_is_scaled_to_0():
    panel = a_panel(0, past=2)
    for rows in panel.past:
        rows[:, 0], rows[:, 1] = 7.0, np.nan
    learned = CovariateScaler.fit(panel, np.array([20, 31], np.int64))
    found = Windows(panel, fixed(panel)[0], learned, 5, 3)
    assert not found.at(found.ends()[:1]).past.any()
    assert learned.std[:2].tolist() == [1.0, 1.0]


# --- the end of a series


def test_the_ends_are_the_origins_behind_each_series():
    panel = a_panel(2, gaps=0.2)
    found = windows(panel)
    assert found.series(found.ends()).tolist() == [0, 1]
    assert found.times(found.ends()).tolist() == [20, 35]
    context = found.at(found.ends())
    for s, values in enumerate(panel.values):
        y, observed = slow_context(panel, s, len(values), 5)
        np.testing.assert_allclose(context.y[s], y, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(context.observed[s], observed)
        assert context.future[s].shape == (8, 1)


def test_a_short_series_repeats_its_first_value_and_says_so():
    panel = a_panel(3, lengths=(2, 31), starts=(0, 0))
    context = windows(panel).at(windows(panel).ends())
    y, observed = slow_context(panel, 0, 2, 5)
    np.testing.assert_allclose(context.y[0], y, rtol=1e-6)
    assert observed.tolist() == context.observed[0].tolist() == [False, False, False, True, True]
    assert context.observed[1].all()
    np.testing.assert_allclose(context.past[0][:4], np.repeat(context.past[0][:1], 4, axis=0))
    np.testing.assert_allclose(context.future[0][:4], np.repeat(context.future[0][:1], 4, axis=0))


def test_what_is_known_ahead_must_reach_the_horizon():
    panel = a_panel(4, extra=2)
    found = windows(panel)
    said = r'series "s0": its future covariates are known for 2 steps after its end, the horizon'
    with pytest.raises(DataError, match=said + r" is 3; add rows .* or lower --horizon"):
        found.at(found.ends())
    assert len(found.at(found.ends() - 1).y) == 2


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@given(seed=SEEDS, steps=st.integers(5, 40))
def test_the_tail_answers_like_the_whole(gaps, seed, steps):
    """The last values are all that a forecast looks at, even where they begin inside a gap."""
    panel = a_panel(seed, lengths=(20, 31, 3), starts=(0, 4, 2), gaps=gaps)
    end = tail(panel, steps)
    whole, part = windows(panel), windows(end)
    assert all(np.isfinite(values[[0, -1]]).all() for values in end.values)
    assert all(np.isnan(values[1:-steps]).all() for values in end.values)
    np.testing.assert_array_equal(part.times(part.ends()), whole.times(whole.ends()))
    a, b = whole.at(whole.ends()), part.at(part.ends())
    for name in ("y", "past", "future", "observed"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
