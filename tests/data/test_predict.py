"""Another table is read as the one that a model learned from."""

import json

import numpy as np
import pandas as pd
import pytest

from recurra.data.options import ReadOptions, Schema
from recurra.data.read import read_panel
from recurra.errors import DataError

RNG = np.random.default_rng(2)
NAMES = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")


def wide(count=60, freq="h", names=NAMES):
    stamps = pd.date_range("2022-01-03", periods=count, freq=freq)
    return pd.DataFrame({"date": stamps, **{name: RNG.normal(size=count) for name in names}})


def long(count=30, ids=("u", "v")):
    return wide(count, names=ids).melt("date", var_name="unique_id", value_name="y")


WIDE = read_panel(wide()).schema
LONG = read_panel(long()).schema


def test_a_schema_survives_json():
    assert Schema.from_json(json.loads(json.dumps(WIDE.to_json()))) == WIDE
    assert WIDE.columns == ("date", *NAMES)


def test_missing_columns_are_named_and_others_ignored(tmp_path):
    path = tmp_path / "new.csv"
    wide().drop(columns=["LULL", "MULL"]).to_csv(path, index=False)
    with pytest.raises(DataError) as caught:
        read_panel(path, schema=WIDE)
    assert str(caught.value) == (
        "new.csv: the model expects 7 columns (HUFL … OT); missing MULL, LULL; add them, or "
        "predict with --target NAME,…"
    )
    panel = read_panel(wide().assign(more="x", other=1.0), schema=WIDE)
    assert panel.names == NAMES
    with pytest.raises(
        DataError, match=r"expects 8 columns \(date … OT\); missing date; add them$"
    ):
        read_panel(wide().rename(columns={"date": "when"}), schema=WIDE)
    with pytest.raises(DataError, match=r"missing .* \(the table has Month, Sales\); add them$"):
        read_panel(pd.DataFrame({"Month": ["2024-01"], "Sales": [1.0]}), schema=WIDE)


def test_a_column_with_another_name_may_be_forecast():
    table = wide(names=("east",)).rename(columns={"date": "when"})
    panel = read_panel(table, ReadOptions(target=("east",), time="when"), WIDE)
    assert panel.names == ("east",)
    assert panel.schema.target == ("east",)


def test_unseen_series_of_a_long_table_are_fine():
    assert read_panel(long(ids=("new", "u")), schema=LONG).names == ("new", "u")
    assert read_panel(long(ids=("alone",)), schema=LONG).names == ("alone",)


def test_another_step_is_refused_with_both():
    with pytest.raises(DataError) as caught:
        read_panel(wide(freq="D"), schema=WIDE)
    assert str(caught.value) == (
        "the table: the model learned from hourly (h), this is daily (D); give data with the step "
        "it learned, or train on this"
    )
    with pytest.raises(DataError, match=r"learned from hourly \(h\), this is every 15 minutes"):
        read_panel(wide(freq="15min"), schema=WIDE)
    with pytest.raises(DataError, match=r"learned from hourly \(h\), this is numbered rows"):
        read_panel(wide(), ReadOptions(no_time=True), WIDE)
    with pytest.raises(DataError, match=r"learned from hourly \(h\), this is daily"):
        read_panel(wide(), ReadOptions(frequency="D"), WIDE)


def test_the_step_may_have_another_phase():
    weekly = read_panel(wide(freq="W-SUN")).schema
    panel = read_panel(wide(freq="W-WED"), schema=weekly)
    assert panel.grid.frequency == "W-WED"
    monthly = read_panel(wide(freq="MS")).schema
    assert read_panel(wide(freq="ME"), schema=monthly).grid.stamps(np.arange(2)).astype(
        "datetime64[D]"
    ).astype(str).tolist() == ["2022-01-31", "2022-02-28"]


@pytest.mark.parametrize("freq", ["h", "D", "B", "W-MON", "MS", "QE-DEC"])
def test_one_row_has_the_step_that_was_learned(freq):
    schema = read_panel(wide(freq=freq)).schema
    panel = read_panel(wide(freq=freq).iloc[:1], schema=schema)
    assert panel.grid.frequency == schema.frequency
    assert [values.shape for values in panel.values] == [(1,)] * 7


def test_five_days_of_business_are_business_days():
    schema = read_panel(wide(freq="B")).schema
    assert read_panel(wide(5, "B"), schema=schema).grid.frequency == "B"


def test_dates_keep_the_order_that_was_learned():
    table = wide(20, "D")
    table["date"] = table["date"].dt.strftime("%d/%m/%Y")
    schema = read_panel(table).schema
    panel = read_panel(table.iloc[:4], schema=schema)
    assert str(panel.grid.stamps(panel.starts)[0])[:10] == "2022-01-03"
    table["date"] = pd.date_range("2022-01-03", periods=20).strftime("%Y-%m-%d")
    assert str(read_panel(table, schema=schema).grid.stamps(panel.starts)[0])[:10] == "2022-01-03"


def test_what_is_missing_is_treated_as_learned():
    table = wide()
    table.loc[5:20, "OT"] = np.nan
    with pytest.raises(DataError, match="--missing interpolate or drop"):
        read_panel(table, schema=WIDE)
    schema = read_panel(table, ReadOptions(missing="interpolate")).schema
    assert np.isnan(read_panel(table, schema=schema).values[-1]).sum() == 16


def test_text_among_numbers_is_refused_here_too():
    table = wide().astype({"OT": "object"})
    table.loc[9, "OT"] = "broken"
    with pytest.raises(DataError, match='column "OT": 1 value is no number at row 9: "broken"'):
        read_panel(table, schema=WIDE)
