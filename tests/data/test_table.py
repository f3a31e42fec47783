"""Files and frames of every make give the same panel, or one clear line."""

import bz2
import gzip
import lzma
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest

from recurra.data.options import ReadOptions
from recurra.data.read import read_panel
from recurra.data.table import find_separator, read_table
from recurra.errors import DataError, MissingFileError, MissingPackageError

HOURS = pd.date_range("2021-03-01", periods=30, freq="h")
FRAME = pd.DataFrame({"date": HOURS, "a": np.sin(np.arange(30)), "b": np.cos(np.arange(30)) + 5.25})


def text(separator=",", decimal="."):
    return FRAME.to_csv(index=False, sep=separator, decimal=decimal)


def assert_same(panel, names=("a", "b")):
    assert panel.names == names
    assert panel.grid.frequency == "h"
    np.testing.assert_allclose(panel.values[0], FRAME["a"], rtol=1e-14)
    np.testing.assert_allclose(panel.values[1], FRAME["b"], rtol=1e-14)
    np.testing.assert_array_equal(panel.grid.stamps(panel.starts), HOURS[[0, 0]].to_numpy())


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator):
    path = tmp_path / "x.csv"
    path.write_text(text(separator))
    assert_same(read_panel(path))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_found(tmp_path, separator):
    path = tmp_path / "x.csv"
    path.write_text(text(separator, ","))
    assert_same(read_panel(str(path)))


def test_a_comma_inside_quotes_separates_nothing():
    assert find_separator(['a;"b, c";d', '1;"2, 3, 4";5']) == ";"
    assert find_separator(["y", "1", "2"]) == ","


def test_packed_files_are_opened(tmp_path):
    data = text().encode()
    for suffix, opener in {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.items():
        with opener(tmp_path / f"x.csv{suffix}", "wb") as file:
            file.write(data)
        assert_same(read_panel(tmp_path / f"x.csv{suffix}"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("inside.csv", data)
    assert_same(read_panel(tmp_path / "x.zip"))


def test_a_byte_order_mark_spaces_and_an_empty_end_do_no_harm(tmp_path):
    path = tmp_path / "x.csv"
    spaced = text().replace(",", ", ").replace("\n", "\r\n") + ", , \r\n,,\r\n\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + spaced.encode())
    assert_same(read_panel(path))


def test_parquet(tmp_path):
    FRAME.to_parquet(tmp_path / "x.parquet")
    assert_same(read_panel(tmp_path / "x.parquet"))


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'recurra\[parquet\]'"):
        read_panel(path)


def test_frames_of_pandas(tmp_path):
    assert_same(read_panel(FRAME))
    assert_same(read_panel(FRAME.set_index("date")))
    assert_same(read_panel(FRAME.set_index("date").rename_axis(None)))
    assert_same(read_panel(FRAME.set_index(FRAME["date"].dt.to_period("h")).drop(columns="date")))
    assert_same(
        read_panel(
            FRAME.assign(date=FRAME["date"].dt.date.astype("object")).assign(
                date=FRAME["date"].astype("object")
            )
        )
    )
    assert_same(read_panel(FRAME.convert_dtypes()))
    assert_same(read_panel(FRAME.iloc[::-1]))


def test_a_series_of_pandas():
    panel = read_panel(FRAME.set_index("date")["a"])
    assert panel.names == ("a",)
    np.testing.assert_array_equal(panel.values[0], FRAME["a"])


def test_frames_of_polars_without_pyarrow(monkeypatch):
    frame = pl.DataFrame({name: FRAME[name].to_numpy() for name in FRAME})
    gapped = frame.with_columns(
        pl.when(pl.col("a") == frame["a"][3]).then(None).otherwise(pl.col("a")).alias("a"),
        flag=pl.Series([None, True] + [False] * 28),
        count=pl.Series([None, *range(29)], dtype=pl.Int64),
    )
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert_same(read_panel(frame))
    aware = frame.with_columns(pl.col("date").dt.replace_time_zone("UTC"))
    assert_same(read_panel(aware))
    texts = frame.with_columns(pl.col("date").dt.to_string("%Y-%m-%d %H:%M"))
    assert_same(read_panel(texts))
    panel = read_panel(gapped, ReadOptions(target=("a", "b"), past=("flag", "count")))
    assert np.isnan(panel.values[0][3])
    assert panel.past[0].shape == (30, 2)
    np.testing.assert_array_equal(panel.past[0][:4], [[np.nan, np.nan], [1, 0], [0, 1], [0, 2]])


def test_a_panel_does_not_change_with_its_frame():
    frame = FRAME.copy()
    panel = read_panel(frame)
    frame.iloc[3, 1] = 99.0
    frame["a"].to_numpy(copy=False)
    assert_same(panel)
    with pytest.raises(ValueError, match="read-only"):
        panel.values[0][0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        panel.starts[0] = 1


def test_leading_zeros_of_names_stay(tmp_path):
    path = tmp_path / "x.csv"
    lines = ["id,ds,y"] + [f"{k:03},2020-01-{d:02},{d * k}" for k in (1, 2) for d in (1, 2, 3)]
    path.write_text("\n".join(lines))
    assert read_panel(path).names == ("001", "002")


BROKEN = {
    "empty.csv": (b"", "empty.csv: empty; it takes a header"),
    "header.csv": (b"date,y\n", "header.csv: a header but no rows"),
    "latin.csv": ("date,größe\n2020-01-01,1\n".encode("latin-1"), "not a table of UTF-8 text"),
    "utf16.csv": ("date,y\n2020-01-01,1\n".encode("utf-16"), "not a table of UTF-8 text"),
    "garbage.csv": (bytes(range(256)) * 8, "garbage.csv: not a table of UTF-8 text"),
    "cut.csv.gz": (gzip.compress(text().encode())[:80], "cut.csv.gz: cannot be read"),
    "not.csv.gz": (b"date,y\n2020-01-01,1\n", "not.csv.gz: cannot be read"),
    "not.zip": (b"date,y\n2020-01-01,1\n", "not.zip: cannot be read"),
    "not.parquet": (b"date,y\n2020-01-01,1\n", "not.parquet: not a Parquet file"),
    "long.csv": (b"date,y\n2020-01-01,1\n2020-01-02,1,7\n", "long.csv: row 3 has 3 fields, not 2"),
    "first.csv": (b"date,y\n2020-01-01,1,2\n", "first.csv: the rows have more fields than the h"),
    "numbers.csv": (b"1.5,2.5\n2.5,3.5\n", "numbers.csv: the first row holds values; a header"),
    "dates.csv": (b"2020-01-01,1\n2020-01-02,2\n", "dates.csv: the first row holds values"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_clear_line(tmp_path, name):
    data, message = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_panel(tmp_path / name, ReadOptions(no_time=True))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_late_byte_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"date,y\n" + b"2020-01-01,1\n" * 20_000 + b"\xff,\xfe\n")
    with pytest.raises(DataError, match="not a table of UTF-8 text"):
        read_panel(tmp_path / "x.csv")


def test_an_archive_holds_one_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.csv", "date,y\n")
        archive.writestr("b.csv", "date,y\n")
    with pytest.raises(DataError, match=r"x\.zip: cannot be read: holds 2 files, one is needed"):
        read_panel(tmp_path / "x.zip")


def test_no_file_a_folder_and_no_table(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.csv: no such file"):
        read_panel(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="a folder, not a table"):
        read_panel(tmp_path)
    with pytest.raises(DataError, match="a path or a pandas or polars frame; got dict"):
        read_panel({"a": [1]})
    with pytest.raises(DataError, match='two columns are called "a"'):
        read_panel(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
    with pytest.raises(DataError, match="no columns"):
        read_panel(pd.DataFrame(index=[1, 2, 3]))


def test_reading_needs_no_torch_and_no_optional_package():
    code = (
        "import sys, recurra.data.read; "
        "sys.exit(bool({'torch', 'polars', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_row_is_a_line_of_the_file(tmp_path):
    (tmp_path / "x.csv").write_text("date,y\n\n2020-01-01,1\n\n\n2020-01-02,2\n2020-01-03,3\n")
    table = read_table(tmp_path / "x.csv")
    assert [table.row(position) for position in range(3)] == [3, 6, 7]
    assert read_table(FRAME).row(4) == 4
