"""Dates however they are written, and what is no date."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data.read import read_panel
from recurra.errors import DataError

RNG = np.random.default_rng(0)


def frame(dates, **columns):
    columns = columns or {"y": RNG.normal(size=len(dates))}
    return pd.DataFrame({"date": dates, **columns})


def first_and_step(panel):
    stamps = panel.grid.stamps(panel.starts[0] + np.arange(2))
    return str(stamps[0].astype("datetime64[s]")), panel.grid.frequency


DAYS = pd.date_range("2021-01-28", periods=40)
HOURS = pd.date_range("2021-01-28 22:00", periods=40, freq="h")
MONTHS = pd.date_range("2021-01-01", periods=40, freq="MS")
QUARTERS = [f"{2000 + k // 4}Q{k % 4 + 1}" for k in range(40)]
WRITTEN = {
    "iso date": (DAYS.strftime("%Y-%m-%d"), "2021-01-28T00:00:00", "D"),
    "iso time": (HOURS.strftime("%Y-%m-%dT%H:%M:%SZ"), "2021-01-28T22:00:00", "h"),
    "iso month": (MONTHS.strftime("%Y-%m"), "2021-01-01T00:00:00", "MS"),
    "iso offset": (HOURS.strftime("%Y-%m-%d %H:%M+02:00"), "2021-01-28T20:00:00", "h"),
    "day first": (DAYS.strftime("%d/%m/%Y"), "2021-01-28T00:00:00", "D"),
    "month first": (DAYS.strftime("%m/%d/%Y"), "2021-01-28T00:00:00", "D"),
    "dots": (HOURS.strftime("%d.%m.%Y %H:%M"), "2021-01-28T22:00:00", "h"),
    "short year": (DAYS.strftime("%m/%d/%y"), "2021-01-28T00:00:00", "D"),
    "halves of a day": (HOURS.strftime("%m/%d/%Y %I:%M %p"), "2021-01-28T22:00:00", "h"),
    "month name": (DAYS.strftime("%d-%b-%Y"), "2021-01-28T00:00:00", "D"),
    "long month name": (MONTHS.strftime("%B %Y"), "2021-01-01T00:00:00", "MS"),
    "compact": (HOURS.strftime("%Y%m%d%H"), "2021-01-28T22:00:00", "h"),
    "quarter": (QUARTERS, "2000-01-01T00:00:00", "QS-JAN"),
    "number of a day": (DAYS.strftime("%Y%m%d").astype(int), "2021-01-28T00:00:00", "D"),
    "number of a month": (MONTHS.strftime("%Y%m").astype(int), "2021-01-01T00:00:00", "MS"),
    "number of a year": (np.arange(1885, 1925), "1885-01-01T00:00:00", "YS-JAN"),
    "seconds": (HOURS.as_unit("s").astype(int), "2021-01-28T22:00:00", "h"),
    "milliseconds": (HOURS.as_unit("ms").astype(int), "2021-01-28T22:00:00", "h"),
    "stamps": (HOURS, "2021-01-28T22:00:00", "h"),
    "zone": (HOURS.tz_localize("Europe/Berlin"), "2021-01-28T21:00:00", "h"),
    "periods": (HOURS.to_period("h"), "2021-01-28T22:00:00", "h"),
    "dates": (DAYS.date, "2021-01-28T00:00:00", "D"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_dates_are_read_however_they_are_written(name):
    dates, first, step = WRITTEN[name]
    panel = read_panel(frame(dates))
    assert first_and_step(panel) == (first, step)
    assert len(panel.values[0]) == 40
    again = read_panel(frame(dates), schema=panel.schema)
    assert again.grid == panel.grid


@pytest.mark.parametrize("name", WRITTEN)
def test_dates_are_read_the_same_from_a_file(tmp_path, name):
    dates, first, step = WRITTEN[name]
    frame(dates).to_csv(tmp_path / "x.csv", index=False)
    assert first_and_step(read_panel(tmp_path / "x.csv")) == (first, step)


def test_of_two_readings_the_more_even_one_counts():
    early = pd.date_range("2021-03-01", periods=12)
    for pattern in ("%d/%m/%Y", "%m/%d/%Y"):
        panel = read_panel(frame(early.strftime(pattern)))
        assert first_and_step(panel) == ("2021-03-01T00:00:00", "D")
    assert any("read as month/day/year" in fact for fact in panel.facts)


@pytest.mark.parametrize("count", [12, 24])
@pytest.mark.parametrize("pattern", ["%d/%m/%Y", "%m/%d/%Y"])
def test_firsts_of_months_are_months(pattern, count):
    dates = pd.date_range("2020-01-01", periods=count, freq="MS").strftime(pattern)
    assert first_and_step(read_panel(frame(dates))) == ("2020-01-01T00:00:00", "MS")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("written", [True, False])
def test_hours_may_stand_beside_the_date(first, written):
    days = HOURS.normalize().strftime("%Y-%m-%d") if written else HOURS.normalize()
    panel = read_panel(frame(days, hr=HOURS.hour + first, y=RNG.normal(size=40)))
    assert panel.schema.time == ("date", "hr")
    assert first_and_step(panel) == (f"2021-01-28T{22 + first}:00:00", "h")


def test_offsets_are_told():
    panel = read_panel(frame(WRITTEN["iso offset"][0]))
    assert "the dates have offsets: turned into UTC" in panel.facts


def test_a_date_may_be_in_parts_or_beside_a_clock():
    y = RNG.normal(size=40)
    parts = pd.DataFrame(
        {"No": np.arange(1, 41), "year": HOURS.year, "month": HOURS.month, "day": HOURS.day}
    ).assign(hour=HOURS.hour, y=y)
    panel = read_panel(parts)
    assert panel.names == ("y",)
    assert first_and_step(panel) == ("2021-01-28T22:00:00", "h")
    assert panel.schema.time == ("year", "month", "day", "hour")
    assert "not used: No" in panel.facts
    assert read_panel(parts, schema=panel.schema).grid == panel.grid
    split = pd.DataFrame({"Date": HOURS.strftime("%d/%m/%Y"), "Time": HOURS.strftime("%H:%M:%S")})
    panel = read_panel(split.assign(y=y))
    assert panel.schema.time == ("Date", "Time")
    assert first_and_step(panel) == ("2021-01-28T22:00:00", "h")


def test_parts_that_make_no_date_are_refused():
    table = pd.DataFrame({"year": [2021] * 4, "month": [2] * 4, "day": [27, 28, 29, 30]})
    with pytest.raises(DataError, match=r'"year" \+ "month" \+ "day", row 2: "2021 2 29" is not a'):
        read_panel(table.assign(y=[1.0, 2, 3, 4]))


def test_telling_names_beat_other_dates():
    table = frame(DAYS.strftime("%Y-%m-%d"), y=RNG.normal(size=40))
    table.insert(0, "updated", "2022-05-05")
    assert read_panel(table).schema.time == ("date",)
    assert read_panel(table.rename(columns={"date": "wann"})[["wann", "y"]]).schema.time == (
        "wann",
    )


def test_numbers_that_look_like_years_are_values():
    table = frame(DAYS, runtime=np.linspace(1900, 2000, 40).round().astype(int))
    assert read_panel(table).names == ("runtime",)


def test_an_unreadable_date_names_the_line(tmp_path):
    dates = list(DAYS.strftime("%d/%m/%y"))
    dates[6] = "31/12/20 25:00"
    frame(dates).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(DataError, match=r'x\.csv: column "date", row 8: "31/12/20 25:00" is not'):
        read_panel(tmp_path / "x.csv")
    dates[6] = ""
    frame(dates).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(DataError, match='column "date", row 8: the date is empty'):
        read_panel(tmp_path / "x.csv")


def test_no_date_column_lists_what_there_is():
    table = pd.DataFrame({"time_str": ["a", "b"], "load": [1.0, 2.0]})
    with pytest.raises(DataError) as caught:
        read_panel(table)
    assert str(caught.value) == (
        "the table: no date column found; columns: time_str, load; tried time_str: row 0 "
        '"a" is not a date; use --time COLUMN or --no-time'
    )


@given(text=st.text(max_size=12))
def test_whatever_stands_in_a_date_is_read_or_refused(text):
    dates = [*DAYS.strftime("%Y-%m-%d"), text]
    with pytest.raises(DataError, match=r"row 40: .*(is not a date|is empty)"):
        read_panel(frame(dates))
