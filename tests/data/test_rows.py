"""Several rows of one moment: refused, merged as said, or an hour that clocks made twice."""

import numpy as np
import pandas as pd
import pytest

from recurra.data.options import ReadOptions
from recurra.data.read import read_panel
from recurra.errors import DataError

RNG = np.random.default_rng(1)
HOURS = pd.date_range("2021-05-03", periods=48, freq="h")
WIDE = pd.DataFrame({"date": HOURS, "a": RNG.normal(size=48), "b": RNG.normal(size=48)})
LONG = WIDE.melt("date", var_name="unique_id", value_name="y")


def repeated(table, *rows):
    extra = table.iloc[list(rows)].copy()
    for name in ("a", "b", "y"):
        if name in extra:
            extra[name] += 1.0
    return pd.concat([table, extra], ignore_index=True)


def test_duplicates_are_refused_by_series_rows_and_stamp(tmp_path):
    table = repeated(LONG, 60)
    with pytest.raises(DataError) as caught:
        read_panel(table)
    assert str(caught.value) == (
        'the table: series "b": rows 60 and 96 share 2021-05-03 12:00; say --on-duplicate '
        "mean|first|last"
    )
    repeated(WIDE, 5, 7).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(DataError) as caught:
        read_panel(tmp_path / "x.csv")
    assert str(caught.value) == (
        "x.csv: rows 7 and 50 share 2021-05-03 05:00 (2 such); say --on-duplicate "
        "mean|first|last, or --series COLUMN if several series are stacked"
    )


@pytest.mark.parametrize(("rule", "more"), [("mean", 0.5), ("first", 0.0), ("last", 1.0)])
def test_duplicates_become_what_is_said(rule, more):
    for table, place in ((repeated(WIDE, 5), 0), (repeated(LONG, 5), 0)):
        panel = read_panel(table, ReadOptions(on_duplicate=rule))
        assert panel.values[place][5] == pytest.approx(WIDE["a"][5] + more)
        np.testing.assert_array_equal(np.delete(panel.values[place], 5), WIDE["a"].drop(5))


def around(day, freq="h"):
    stamps = pd.date_range(pd.Timestamp(day) - pd.Timedelta(days=3), periods=24 * 6, freq="h")
    if freq != "h":
        stamps = pd.date_range(stamps[0], stamps[-1], freq=freq)
    return pd.DataFrame({"date": stamps, "a": RNG.normal(size=len(stamps))})


@pytest.mark.parametrize("day", ["2021-11-07 01:00", "2021-10-31 02:00", "2021-04-04 02:00"])
def test_an_hour_that_clocks_made_twice_is_averaged(day):
    table = around(day)
    row = int(np.flatnonzero(table["date"] == day)[0])
    panel = read_panel(repeated(table, row))
    assert panel.values[0][row] == pytest.approx(table["a"][row] + 0.5)
    assert "clocks set back: 1 repeated stamp averaged" in panel.facts


def test_quarters_of_an_hour_are_made_twice_too():
    table = around("2021-10-31 02:00", "15min")
    rows = np.flatnonzero(table["date"].dt.floor("h") == "2021-10-31 02:00")
    assert "4 repeated stamps" in read_panel(repeated(table, *rows)).facts[2]


@pytest.mark.parametrize(
    ("day", "rows"),
    [
        ("2021-10-31 05:00", (0,)),
        ("2021-07-04 02:00", (0,)),
        ("2021-10-31 02:00", (0, 0)),
        ("2021-10-31 02:00", (0, 1)),
        ("2021-10-31 02:00", (0, 24)),
    ],
)
def test_other_repetitions_are_no_change_of_clocks(day, rows):
    table = around(day)
    row = int(np.flatnonzero(table["date"] == day)[0])
    with pytest.raises(DataError, match="--on-duplicate"):
        read_panel(repeated(table, *(row + more for more in rows)))


def test_daily_rows_know_no_change_of_clocks():
    days = pd.date_range("2021-10-01", periods=40)
    table = pd.DataFrame({"date": days, "a": RNG.normal(size=40)})
    with pytest.raises(DataError, match="--on-duplicate"):
        read_panel(repeated(table, 30))
