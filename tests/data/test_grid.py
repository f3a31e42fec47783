"""Grids of every kind: index and stamp are inverse, and pandas agrees."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.frequency import check_frequency, find_grid, lay_grid
from recurra.data.grid import Grid, parse_frequency
from recurra.errors import DataError, OptionError

ALIASES = (
    "us", "100ms", "s", "30s", "min", "10min", "15min", "h", "6h", "D", "2D", "W-SUN", "W-WED",
    "2W-MON", "MS", "ME", "2MS", "QS-JAN", "QS-FEB", "QE-DEC", "QE-NOV", "2QS-JAN", "YS-JAN",
    "YS-JUL", "YE-DEC", "YE-MAR", "2YS-JAN", "B",
)  # fmt: skip


def grid_of(alias: str, origin: str = "2003-11-04T05:00") -> Grid:
    return lay_grid(alias, np.array([origin, "2004-02-07T06:01"], "datetime64[us]"))


@pytest.mark.parametrize("alias", ALIASES)
@given(index=st.lists(st.integers(-3000, 3000), min_size=1, max_size=20))
@settings(max_examples=40)
def test_index_of_stamps_is_the_identity(alias, index):
    grid = grid_of(alias)
    np.testing.assert_array_equal(grid.index(grid.stamps(np.array(index))), index)


@pytest.mark.parametrize("alias", ALIASES)
def test_stamps_agree_with_pandas(alias):
    grid = grid_of(alias)
    ours = grid.stamps(np.arange(50))
    theirs = pd.date_range(ours[0], periods=50, freq=alias, unit="us")
    np.testing.assert_array_equal(ours, theirs.to_numpy())


@pytest.mark.parametrize("alias", ALIASES)
def test_a_frequency_is_written_as_it_is_read(alias):
    assert parse_frequency(alias).alias == alias
    assert parse_frequency(grid_of(alias).frequency).alias == grid_of(alias).frequency


@pytest.mark.parametrize("alias", ALIASES)
@given(minutes=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=9))
@settings(max_examples=40)
def test_a_stamp_lies_in_the_step_that_holds_it(alias, minutes):
    stamps = np.datetime64("2001-01-06", "us") + np.array(minutes) * np.timedelta64(
        60_000_000, "us"
    )
    grid = lay_grid(alias, stamps)
    index = grid.index(stamps)
    if parse_frequency(alias).end:
        days = stamps.astype("datetime64[D]")
        assert (days <= grid.stamps(index).astype("datetime64[D]")).all()
        assert (days > grid.stamps(index - 1).astype("datetime64[D]")).all()
    else:
        floor = 0 if parse_frequency(alias).kind == "micros" else np.timedelta64(1, "D")
        assert (grid.stamps(index) <= stamps + floor).all()
        assert (grid.stamps(index + 1) > stamps).all()


@pytest.mark.parametrize("alias", ALIASES)
@given(count=st.integers(12, 40), data=st.data())
@settings(max_examples=40)
def test_the_grid_is_found_from_its_stamps(alias, count, data):
    grid = grid_of(alias)
    kept = np.ones(count, dtype=bool)
    kept[data.draw(st.integers(4, count - 3))] = False
    stamps = grid.stamps(np.arange(count)[kept])
    found = find_grid(stamps, np.ones(len(stamps) - 1, dtype=bool), "here")
    assert parse_frequency(found.frequency).step == parse_frequency(alias).step
    np.testing.assert_array_equal(found.stamps(found.index(stamps)), stamps)
    np.testing.assert_array_equal(np.diff(found.index(stamps)), np.diff(np.flatnonzero(kept)))


@pytest.mark.parametrize("day", [1, 2, 15, 28, 29, 30, 31])
@pytest.mark.parametrize("start", ["2020-01", "2021-02", "2019-11"])
def test_a_month_may_be_stamped_with_any_day(day, start):
    months = np.arange(np.datetime64(start), np.datetime64(start) + 30)
    lengths = (months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")
    days = np.minimum(day, lengths.astype(int)) - 1
    stamps = (months.astype("datetime64[D]") + days).astype("datetime64[us]")
    grid = find_grid(stamps, np.ones(29, dtype=bool), "here")
    assert grid.frequency == ("ME" if day == 31 else "MS")
    np.testing.assert_array_equal(grid.index(stamps), np.arange(30))
    np.testing.assert_array_equal(grid.stamps(np.arange(30)), stamps)


def test_thirty_one_days_twice_are_months_and_four_weeks_may_be():
    july = np.array(["2020-07-01", "2020-08-01", "2020-09-01"], "datetime64[us]")
    assert find_grid(july, np.ones(2, dtype=bool), "here").frequency == "MS"
    february = np.array(["2021-02-01", "2021-03-01", "2021-03-29"], "datetime64[us]")
    assert find_grid(february, np.ones(2, dtype=bool), "here").frequency == "4W-MON"


def test_daily_stamps_without_weekends_are_business_days():
    days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]").astype("datetime64[us]")
    every = find_grid(days, np.ones(len(days) - 1, dtype=bool), "here")
    open_days = days[np.is_busday(days.astype("datetime64[D]"))]
    business = find_grid(open_days, np.ones(len(open_days) - 1, dtype=bool), "here")
    assert (every.frequency, business.frequency) == ("D", "B")
    within_a_week = find_grid(open_days[3:6], np.ones(2, dtype=bool), "here")
    assert within_a_week.frequency == "D"


def test_the_time_of_day_stays():
    stamps = np.array(["2020-01-06T16:30", "2020-01-13T16:30"], "datetime64[us]")
    for alias in ("B", "D", "W", "MS"):
        grid = lay_grid(alias, stamps)
        clock = grid.stamps(np.arange(-3, 3)).astype("datetime64[m]").astype(int) % 1440
        assert (clock == 16 * 60 + 30).all(), alias


def test_a_weekend_belongs_to_the_friday_before():
    grid = Grid("B", int(np.datetime64("2020-01-06", "us").astype(int)))
    friday, sunday = np.array(["2020-01-10", "2020-01-12"], "datetime64[us]")
    assert grid.index(np.array([friday, sunday])).tolist() == [4, 4]


def test_numbered_rows_are_their_own_stamps():
    grid = Grid("row")
    np.testing.assert_array_equal(grid.stamps(np.arange(5)), np.arange(5))
    np.testing.assert_array_equal(grid.index(np.arange(5)), np.arange(5))


def test_a_grid_survives_json():
    grid = grid_of("QE-DEC")
    assert Grid(**json.loads(json.dumps(asdict(grid)))) == grid


@pytest.mark.parametrize("text", ["fortnight", "", "0h", "-1D", "h-MON", "3B", "MS-FOO", "12"])
def test_an_unknown_frequency_is_refused(text):
    with pytest.raises(OptionError, match=f'--frequency "{text}" is not known.*15min'):
        parse_frequency(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [("H", "h"), ("60min", "h"), ("T", "min"), ("M", "ME"), ("7D", "W"), ("3MS", "QS")],
)
def test_old_and_long_spellings_mean_the_short_ones(old, new):
    assert parse_frequency(old).alias == new


def test_uneven_stamps_are_refused_with_the_first_odd_pair():
    stamps = np.array(
        ["2020-01-01T00", "2020-01-01T01", "2020-01-01T02", "2020-01-01T02:17"], "datetime64[us]"
    )
    with pytest.raises(DataError, match=r"mostly hourly, but 1 of 3 .* 02:00 to .* 02:17.*--freq"):
        find_grid(stamps, np.ones(3, dtype=bool), "x.csv")


def test_series_out_of_step_with_each_other_are_refused():
    stamps = np.array(
        ["2020-01-01T00", "2020-01-01T01", "2020-01-01T00:30", "2020-01-01T01:30"], "datetime64[us]"
    )
    with pytest.raises(DataError, match=r"not from the same moment.*--frequency h"):
        find_grid(stamps, np.array([True, False, True]), "x.csv")


def test_one_stamp_has_no_step():
    with pytest.raises(DataError, match=r"x\.csv: no series has two different dates.*--frequency"):
        find_grid(np.array(["2020-01-01"], "datetime64[us]"), np.zeros(0, dtype=bool), "x.csv")


def test_another_step_is_refused_and_another_phase_is_not():
    check_frequency("W-MON", "W-FRI", "x.csv")
    check_frequency("ME", "MS", "x.csv")
    with pytest.raises(DataError, match=r"learned from hourly \(h\), this is every 15 minutes"):
        check_frequency("15min", "h", "x.csv")
