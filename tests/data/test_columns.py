"""Which columns are names, targets and covariates."""

import numpy as np
import pandas as pd
import pytest

from recurra.data.options import ReadOptions
from recurra.data.read import read_panel
from recurra.errors import DataError, OptionError

RNG = np.random.default_rng(0)
DAYS = pd.date_range("2021-01-28", periods=40)


def frame(dates, **columns):
    return pd.DataFrame({"date": dates, **columns})


def test_rows_without_dates_are_numbered():
    table = pd.DataFrame({"a": [np.nan, 1.0, 2.0, 4.0], "b": [3.0, 1.0, 2.0, np.nan]})
    panel = read_panel(table, ReadOptions(no_time=True))
    assert panel.starts.tolist() == [1, 0]
    assert panel.grid.frequency == "row"
    long = pd.DataFrame({"unique_id": ["u", "v"] * 3, "y": np.arange(6.0) ** 2})
    panel = read_panel(long, ReadOptions(no_time=True))
    assert [values.tolist() for values in panel.values] == [[0, 4, 16], [1, 9, 25]]


LONG = pd.DataFrame(
    {
        "shop": np.repeat(["b", "a", "c"], 20),
        "ds": np.tile(DAYS[:20], 3),
        "holiday": np.tile([0, 0, 0, 1], 15),
        "y": RNG.normal(size=60),
    }
)


def test_a_long_table_is_found():
    panel = read_panel(LONG)
    assert panel.names == ("a", "b", "c")
    assert panel.schema.series == "shop"
    assert panel.schema.target == ("y",)
    np.testing.assert_array_equal(panel.values[1], LONG["y"][:20])


def test_numbers_may_name_series():
    panel = read_panel(LONG.assign(shop=np.repeat([10, 9, 2], 20)))
    assert panel.names == ("2", "9", "10")
    halves = LONG.assign(shop=np.repeat([10.0, 9.0, 2.0], 20))
    assert read_panel(halves, ReadOptions(series="shop")).names == ("2", "9", "10")


def test_two_columns_that_could_name_series_must_be_told_apart():
    table = LONG.assign(town=LONG["shop"] + "ville")
    with pytest.raises(DataError, match=r"each of shop, town could name the series.*--series COL"):
        read_panel(table)
    assert read_panel(table, ReadOptions(series="town")).names == ("aville", "bville", "cville")
    assert read_panel(table.rename(columns={"town": "unique_id"})).names[0] == "aville"


def test_a_long_table_needs_one_target():
    table = LONG.rename(columns={"y": "sales"})
    with pytest.raises(DataError, match=r"could be forecast: holiday, sales; say .* --target COL"):
        read_panel(table)
    panel = read_panel(table, ReadOptions(target=("sales",)))
    assert panel.schema.target == ("sales",)
    assert "not used: holiday" in panel.facts
    assert read_panel(table.drop(columns="holiday")).schema.target == ("sales",)
    with pytest.raises(OptionError, match="a long table has one --target; got sales, holiday"):
        read_panel(table, ReadOptions(target=("sales", "holiday")))


def test_a_series_without_a_name_is_refused():
    table = LONG.astype({"shop": "object"})
    table.loc[7, "shop"] = None
    with pytest.raises(DataError, match='column "shop", row 7: the series has no name'):
        read_panel(table, ReadOptions(series="shop"))


def test_a_wide_table_leaves_counters_text_and_parts_out():
    n = np.arange(40)
    table = frame(DAYS, number=n, day=DAYS.day, note=["x", "y"] * 20, load=n**2, wind=n % 7)
    panel = read_panel(table)
    assert panel.names == ("load", "wind")
    assert "not used: number, day, note" in panel.facts


def test_a_counter_alone_is_the_series():
    assert read_panel(frame(DAYS, count=np.arange(40))).names == ("count",)


def test_text_among_numbers_is_refused_by_row(tmp_path):
    values = [str(k * k) for k in range(40)]
    values[30] = values[33] = "n. a."
    path = tmp_path / "x.csv"
    frame(DAYS.strftime("%Y-%m-%d"), temp=values).to_csv(path, index=False)
    with pytest.raises(DataError) as caught:
        read_panel(path)
    assert str(caught.value) == (
        'x.csv: column "temp": 2 values are not numbers, first at row 32: "n. a."; if that means '
        'missing, say --na "n. a."'
    )
    panel = read_panel(path, ReadOptions(na=("n. a.",)))
    assert np.flatnonzero(np.isnan(panel.values[0])).tolist() == [30, 33]
    assert read_panel(path, schema=panel.schema).schema.na == ("n. a.",)
    table = frame(DAYS, temp=values)
    assert np.isnan(read_panel(table, ReadOptions(na=("n. a.",))).values[0][30])


def test_a_number_may_mean_missing(tmp_path):
    values = np.arange(40.0) ** 2
    values[[5, 8]] = -999
    table = frame(DAYS, y=values)
    table.to_csv(tmp_path / "x.csv", index=False)
    for source in (table, tmp_path / "x.csv"):
        panel = read_panel(source, ReadOptions(na=("-999",)))
        assert np.flatnonzero(np.isnan(panel.values[0])).tolist() == [5, 8]


def test_complex_numbers_and_spans_of_time_are_no_series():
    n = np.arange(40)
    table = frame(DAYS, load=n**2.0, z=n + 1j, span=pd.to_timedelta(n**2, unit="s"))
    assert read_panel(table).names == ("load",)
    with pytest.raises(DataError, match='column "z": 40 values are not numbers'):
        read_panel(table, ReadOptions(target=("z",)))


def test_infinity_is_no_number():
    values = np.arange(40.0)
    values[3] = np.inf
    with pytest.raises(DataError, match='column "y": 1 value is no number at row 3: "inf"'):
        read_panel(frame(DAYS, y=values))


def test_nothing_to_forecast_is_refused():
    message = 'no column of numbers to forecast; columns: date, note; "note" holds such as "x"'
    with pytest.raises(DataError, match=message):
        read_panel(frame(DAYS, note=["x", "y"] * 20))


def test_named_columns_must_be_there_once():
    table = frame(DAYS, load=RNG.normal(size=40), wind=RNG.normal(size=40))
    with pytest.raises(OptionError, match='--target "Laod": no such column; near: load'):
        read_panel(table, ReadOptions(target=("Laod",)))
    with pytest.raises(
        OptionError, match='--past "zzz": no such column; columns: date, load, wind'
    ):
        read_panel(table, ReadOptions(past=("zzz",)))
    with pytest.raises(OptionError, match='"wind" is named by --target and by --future'):
        read_panel(table, ReadOptions(target=("load", "wind"), future=("wind",)))


def test_a_covariate_is_made_of_numbers():
    table = frame(DAYS, load=RNG.normal(size=40), kind=["x", "y"] * 20, open=[True, False] * 20)
    with pytest.raises(DataError, match='"kind" is not made of numbers, and a covariate has to be'):
        read_panel(table, ReadOptions(past=("kind",)))
    panel = read_panel(table, ReadOptions(future=("open",)))
    np.testing.assert_array_equal(panel.future[0][:, 0], [1, 0] * 20)


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match=r'--missing "guess".*auto\|interpolate\|drop\|refuse'):
        ReadOptions(missing="guess")
    with pytest.raises(OptionError, match=r'--on-duplicate "sum".*mean\|first\|last'):
        ReadOptions(on_duplicate="sum")
    with pytest.raises(OptionError, match='--time "ds" and --no-time contradict'):
        ReadOptions(time="ds", no_time=True)
    with pytest.raises(OptionError, match="--frequency and --no-time contradict"):
        ReadOptions(frequency="h", no_time=True)
    with pytest.raises(OptionError, match="rows are numbered with --no-time"):
        ReadOptions(frequency="row")
