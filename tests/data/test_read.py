"""From rows to series: order, gaps, duplicates, covariates, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.options import ReadOptions
from recurra.data.read import read_panel
from recurra.errors import DataError

RNG = np.random.default_rng(1)
HOURS = pd.date_range("2021-05-03", periods=48, freq="h")
WIDE = pd.DataFrame({"date": HOURS, "a": RNG.normal(size=48), "b": RNG.normal(size=48)})
LONG = WIDE.melt("date", var_name="unique_id", value_name="y")


def by_name(panel):
    """Everything that a series is, by its name."""
    return {
        name: (str(panel.grid.stamps(panel.starts[k : k + 1])[0]), values.tolist())
        for k, (name, values) in enumerate(zip(panel.names, panel.values, strict=True))
    }


def assert_equal(one, other):
    assert one.grid.frequency == other.grid.frequency
    np.testing.assert_equal(by_name(one), by_name(other))


@st.composite
def tables(draw):
    """Wide tables with gaps in time and in values, ends included."""
    step = draw(st.sampled_from(["15min", "h", "D", "W-TUE", "MS", "QE-DEC", "B"]))
    stamps = pd.date_range("2019-12-30", periods=30, freq=step)
    kept = draw(st.lists(st.integers(6, 28), max_size=4))
    seed = draw(st.integers(0, 99))
    values = np.random.default_rng(seed).normal(size=(30, 2))
    holes = draw(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 1)), max_size=5))
    for row, column in holes:
        values[row, column] = np.nan
    table = pd.DataFrame({"ds": stamps, "a": values[:, 0], "b": values[:, 1]})
    return table.drop(index=sorted(set(kept)))


LOOSE = ReadOptions(missing="drop")


@given(table=tables(), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(table, seed):
    panel = read_panel(table, LOOSE)
    assert_equal(panel, read_panel(table.sample(frac=1, random_state=seed), LOOSE))
    long = table.melt("ds", var_name="unique_id", value_name="y")
    assert_equal(panel, read_panel(long.sample(frac=1, random_state=seed), LOOSE))


@given(table=tables())
def test_wide_and_long_and_polars_and_text_are_the_same(table):
    panel = read_panel(table, LOOSE)
    long = table.melt("ds", var_name="unique_id", value_name="y")
    assert_equal(panel, read_panel(long, LOOSE))
    assert_equal(panel, read_panel(long.dropna(), LOOSE))
    columns = {name: table[name].to_numpy() for name in table}
    assert_equal(panel, read_panel(pl.DataFrame(columns), LOOSE))
    assert_equal(panel, read_panel(table.assign(ds=table["ds"].astype("str")), LOOSE))


@given(table=tables())
def test_every_value_lies_at_its_stamp_and_nothing_else_is_there(table):
    panel = read_panel(table, LOOSE)
    for name, start, values in zip(panel.names, panel.starts, panel.values, strict=True):
        stamps = panel.grid.stamps(start + np.arange(len(values)))
        ours = dict(zip(stamps, values, strict=True))
        theirs = table.set_index("ds")[name].dropna()
        assert {stamp for stamp, value in ours.items() if not np.isnan(value)} == set(
            theirs.index.to_numpy().astype("datetime64[us]")
        )
        assert all(ours[np.datetime64(stamp, "us")] == value for stamp, value in theirs.items())
        assert not np.isnan(values[[0, -1]]).any()


@given(table=tables())
@settings(max_examples=25)
def test_a_schema_reads_its_table_again(table):
    panel = read_panel(table, LOOSE)
    again = read_panel(table, schema=type(panel.schema).from_json(panel.schema.to_json()))
    assert_equal(panel, again)
    assert again.schema == panel.schema


def test_a_file_is_read_as_its_frame_without_a_warning(tmp_path):
    LONG.to_csv(tmp_path / "x.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_equal(read_panel(tmp_path / "x.csv"), read_panel(LONG))


def test_facts_say_what_was_found():
    panel = read_panel(WIDE.drop(index=[7, 8]).iloc[::-1])
    assert panel.facts == (
        "the table: 46 rows, 2 series, hourly (h), 2021-05-03 to 2021-05-04 23:00 from date; a, b",
        "the rows were not in order of time: sorted",
        '4 of 96 steps missing (4.2 %), most in "a" (4.2 %)',
    )
    assert read_panel(LONG).facts == (
        "the table: 96 rows, 2 series, hourly (h), 2021-05-03 to 2021-05-04 23:00 from date; y by "
        "unique_id",
    )


# --- frequency


def test_a_given_frequency_averages_cells():
    panel = read_panel(WIDE, ReadOptions(frequency="6h"))
    np.testing.assert_allclose(panel.values[0], WIDE["a"].to_numpy().reshape(8, 6).mean(1))
    assert panel.grid.frequency == "6h"
    assert "40 rows lay between two steps of 6h: averaged" in panel.facts
    again = read_panel(WIDE, schema=panel.schema)
    assert_equal(panel, again)


def test_uneven_stamps_need_a_frequency():
    table = WIDE.copy()
    table.loc[5, "date"] += pd.Timedelta(minutes=7)
    with pytest.raises(DataError, match=r"mostly hourly, but 2 of 47 .*--frequency h"):
        read_panel(table)
    assert_equal(read_panel(table, ReadOptions(frequency="h")), read_panel(WIDE))


def test_an_average_passes_over_missing_values():
    table = WIDE.copy()
    table.loc[[0, 1, 2, 6, 7, 8, 9, 10, 11], "a"] = np.nan
    panel = read_panel(table, ReadOptions(frequency="6h", missing="drop"))
    assert panel.values[0][0] == pytest.approx(WIDE["a"][3:6].mean())
    assert np.isnan(panel.values[0][1])


@pytest.mark.parametrize("step", ["h", "s"])
def test_an_absurd_grid_is_refused(step):
    # Two clusters of rows, far apart.
    far = pd.date_range("2100-01-01", periods=5, freq=step)
    near = pd.date_range("1970-01-01", periods=5, freq=step)
    table = pd.DataFrame({"date": near.append(far), "y": RNG.normal(size=10)})
    with pytest.raises(DataError, match=r"10 rows span [\d,]{9,} steps; .*--frequency"):
        read_panel(table)


# --- missing values and equal ones


def holed(share):
    table = WIDE.copy()
    table.loc[np.linspace(1, 46, round(48 * share)).astype(int), "b"] = np.nan
    return table


def test_many_missing_values_need_a_word():
    with pytest.raises(DataError) as caught:
        read_panel(holed(0.2))
    assert str(caught.value) == (
        'the table: series "b" has 21 % missing; more than 10 % needs --missing interpolate or drop'
    )
    for missing in ("interpolate", "drop"):
        panel = read_panel(holed(0.2), ReadOptions(missing=missing))
        assert np.isnan(panel.values[1]).sum() == 10
        assert panel.schema.missing == missing


def test_few_missing_values_are_kept_unless_refused():
    assert np.isnan(read_panel(holed(0.08)).values[1]).sum() == 4
    with pytest.raises(DataError, match='"b" has 4 missing values and --missing refuse allows non'):
        read_panel(holed(0.08), ReadOptions(missing="refuse"))
    assert read_panel(WIDE, ReadOptions(missing="refuse")).names == ("a", "b")


def test_missing_ends_do_not_count():
    table = WIDE.copy()
    table.loc[:20, "a"] = np.nan
    table.loc[40:, "b"] = np.nan
    panel = read_panel(table, ReadOptions(missing="refuse"))
    assert panel.starts.tolist() == [21, 0]
    assert [len(values) for values in panel.values] == [27, 40]


def test_a_constant_series_is_refused_or_left_out():
    table = WIDE.assign(c=3.5)
    with pytest.raises(DataError, match=r'series "c": all values are equal \(3\.5\); --skip-const'):
        read_panel(table)
    panel = read_panel(table, ReadOptions(skip_constant=True))
    assert panel.names == ("a", "b")
    assert 'left out, all values equal: series "c"' in panel.facts
    with pytest.raises(DataError, match=r"all values are equal.*no other series is left"):
        read_panel(WIDE.assign(a=1.0, b=2.0), ReadOptions(skip_constant=True))
    again = read_panel(table.assign(a=1.0), schema=panel.schema)
    assert again.values[0].tolist() == [1.0] * 48


def test_a_series_without_values_is_left_out():
    table = WIDE.assign(c=np.nan)
    panel = read_panel(table)
    assert panel.names == ("a", "b")
    assert 'left out, no value at all: series "c"' in panel.facts
    with pytest.raises(DataError, match='series "a", "b": no value at all'):
        read_panel(WIDE.assign(a=np.nan, b=np.nan))


# --- covariates

COVARIATES = ReadOptions(target=("a",), past=("wind",), future=("holiday",))


def with_covariates():
    holiday = (np.arange(48) % 5 == 0).astype(float)
    table = WIDE.assign(wind=np.arange(48.0), holiday=holiday)
    table.loc[:2, "a"] = np.nan
    table.loc[40:, "a"] = np.nan
    return table


def test_covariates_lie_beside_the_values_and_the_future_beyond():
    table = with_covariates()
    panel = read_panel(table, COVARIATES)
    assert (panel.past_names, panel.future_names) == (("wind",), ("holiday",))
    np.testing.assert_array_equal(panel.past[0][:, 0], np.arange(3.0, 40.0))
    np.testing.assert_array_equal(panel.future[0][:, 0], table["holiday"][3:])
    assert panel.facts[-1] == "not used: b"
    again = read_panel(table, schema=panel.schema)
    np.testing.assert_array_equal(again.future[0], panel.future[0])


def test_a_gap_in_a_covariate_holds_the_last_value_and_never_the_next():
    table = with_covariates()
    table.loc[:4, "wind"] = np.nan
    table.loc[10:12, "wind"] = np.nan
    panel = read_panel(table.drop(index=[20, 21]), COVARIATES)
    wind = panel.past[0][:, 0]
    assert np.isnan(wind[:2]).all()
    np.testing.assert_array_equal(wind[2:11], [5, 6, 7, 8, 9, 9, 9, 9, 13])
    np.testing.assert_array_equal(wind[16:20], [19, 19, 19, 22])


def test_each_long_series_has_its_own_covariates():
    long = with_covariates().melt(["date", "wind", "holiday"], var_name="unique_id", value_name="y")
    long.loc[long["unique_id"] == "b", "wind"] *= 2
    panel = read_panel(long, ReadOptions(past=("wind",), future=("holiday",)))
    np.testing.assert_array_equal(panel.past[0][:, 0], np.arange(3.0, 40.0))
    np.testing.assert_array_equal(panel.past[1][:, 0], 2 * np.arange(48.0))
    assert [len(future) for future in panel.future] == [45, 48]


def test_without_covariates_their_width_is_nothing():
    panel = read_panel(WIDE)
    assert [array.shape for array in (*panel.past, *panel.future)] == [(48, 0)] * 4
