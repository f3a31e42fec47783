"""Row groups give the rows of the whole table, in little memory, and damage is told in a line."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import RowGroups, each_series, row_groups
from recurra.errors import DataError, MissingFileError, MissingPackageError, OptionError

ROWS = 1000


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "series": np.repeat([f"s{number}" for number in range(8)], ROWS // 8),
            "t": pd.date_range("2020-01-01", periods=ROWS, freq="h"),
            "y": random.normal(size=ROWS),
            "n": np.arange(ROWS),
        }
    )


def write(path, table, size=150):
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, row_group_size=size)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory, table):
    return write(tmp_path_factory.mktemp("row_groups") / "x.parquet", table)


@pytest.fixture(scope="module")
def groups(file):
    return RowGroups(file)


def joined(frames):
    return pd.concat(frames, ignore_index=True)


def test_the_groups_together_are_the_table(groups, table):
    assert len(groups) == 7
    assert groups.sizes.tolist() == [150] * 6 + [100]
    assert groups.columns == ("series", "t", "y", "n")
    pd.testing.assert_frame_equal(joined(groups), table)
    pd.testing.assert_frame_equal(groups[2], table[300:450].reset_index(drop=True))


def test_only_the_columns_wanted_come_in_their_order(file, table):
    groups = RowGroups(str(file), ["n", "series"])
    pd.testing.assert_frame_equal(joined(groups), table[["n", "series"]])


def test_a_folder_is_its_files_by_name(tmp_path, table):
    write(tmp_path / "b.parquet", table[600:][["n", "y", "t", "series"]], 90)
    write(tmp_path / "a.parquet", table[:600])
    (tmp_path / "notes.txt").write_text("no table")
    groups = RowGroups(tmp_path)
    assert groups.sizes.tolist() == [150] * 4 + [90] * 4 + [40]
    pd.testing.assert_frame_equal(joined(groups), table)


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(0, 9), st.integers(1, 8), st.integers(0, ROWS + 5))
def test_shuffled_every_row_comes_once_and_from_any_place_on(groups, seed, epoch, together, begin):
    def numbers(**options):
        frames = groups.shuffled(seed, epoch, together=together, **options)
        return [number for frame in frames for number in frame["n"]]

    whole = numbers()
    assert sorted(whole) == list(range(ROWS))
    assert numbers(begin=begin) == whole[begin:]


def test_shuffled_rows_stay_whole(groups, table):
    frame = joined(groups.shuffled(3, 1, together=2))
    assert not frame["n"].is_monotonic_increasing
    pd.testing.assert_frame_equal(frame.sort_values("n", ignore_index=True), table)


def test_groups_that_are_done_are_not_read(tmp_path, table):
    """Behind the data of a group that was overwritten, one may still go on."""
    path = write(tmp_path / "x.parquet", table)
    groups = RowGroups(path, ["n"])
    order = [frame["n"].iloc[0] // 150 for frame in groups.shuffled(0, 1)]
    column = groups._places[order[0]].metadata.row_group(int(order[0])).column(3)
    begin = column.dictionary_page_offset or column.data_page_offset
    content = bytearray(path.read_bytes())
    content[begin : begin + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)
    assert sum(len(frame) for frame in groups.shuffled(0, 1, begin=150)) == ROWS - 150
    with pytest.raises(DataError, match=rf"x\.parquet: row group {order[0]} cannot be read"):
        next(groups.shuffled(0, 1))


def test_options_of_the_order_are_checked_at_once(groups):
    with pytest.raises(OptionError, match="seed is -1"):
        groups.shuffled(-1, 0)


@pytest.mark.parametrize("size", [1000, 150, 125, 7])
def test_series_come_whole_wherever_groups_end(tmp_path, table, size):
    groups = RowGroups(write(tmp_path / "x.parquet", table, size), ["series", "y"])
    found = list(each_series(groups, "series"))
    assert len(found) == 8
    for number, frame in enumerate(found):
        wanted = table.loc[table["series"] == f"s{number}", ["series", "y"]]
        pd.testing.assert_frame_equal(frame, wanted.reset_index(drop=True))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "b", "a"], 'series "a" comes back after another; sort the rows by "series"'),
        (["a", None, "b"], 'column "series": a series has no name'),
    ],
)
def test_series_that_cannot_be_told_apart_are_refused(names, said):
    frames = [pd.DataFrame({"series": names[:2]}), pd.DataFrame({"series": names[2:]})]
    with pytest.raises(DataError, match=said):
        list(each_series(frames, "series"))
    with pytest.raises(DataError, match='no column "name"; there are series'):
        list(each_series(frames, "name"))


# Writes a file of 120 MB of numbers, and reads it in order and shuffled.
LARGE = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from recurra.data import RowGroups

def kib(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

# Which of several threads holds what and when is chance.
pa.set_cpu_count(1)
pa.set_io_thread_count(1)
path, rows, groups = sys.argv[1], 100_000, 50
schema = pa.schema([(name, pa.float64()) for name in "abc"])
random = np.random.default_rng(0)
with pq.ParquetWriter(path, schema) as file:
    for _ in range(groups):
        file.write_table(pa.table({name: random.random(rows) for name in "abc"}, schema))
found = RowGroups(path, ["a", "b"])
found[0]
Path("/proc/self/clear_refs").write_text("5")
before, total = kib("VmRSS"), 0
for frames in (found, found.shuffled(0, 1, together=2)):
    total += sum(len(frame) for frame in frames)
assert total == 2 * rows * groups
print((kib("VmHWM") - before) / 1024)
"""


def test_memory_is_a_pool_and_not_the_table(tmp_path):
    command = [sys.executable, "-c", LARGE, str(tmp_path / "x.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    # A pool of two groups is 3 MiB, read, joined and shuffled; the columns wanted are 76.
    assert float(done.stdout) < 20


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"PAR1",
        lambda data: data[:-20],
        lambda data: data[:40] + data[-12:],
        lambda data: b"date,y\n2020-01-01,3\n",
    ],
)
def test_damaged_and_other_files_are_refused(tmp_path, table, change):
    path = write(tmp_path / "x.parquet", table)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=r"x\.parquet: its footer cannot be read: ") as raised:
        RowGroups(path)
    assert "\n" not in str(raised.value)


def test_what_is_not_there_is_told(tmp_path, file):
    with pytest.raises(MissingFileError, match="no such file; it takes a Parquet file or a folder"):
        RowGroups(tmp_path / "none")
    with pytest.raises(DataError, match=r"no \.parquet file in this folder"):
        RowGroups(tmp_path)
    with pytest.raises(DataError, match=r'x\.parquet: no column "z"; there are series, t, y, n'):
        RowGroups(file, ["y", "z"])
    with pytest.raises(DataError, match=r"x\.parquet: no columns"):
        RowGroups(file, [])


def test_files_of_a_folder_that_differ_are_told(tmp_path, table):
    write(tmp_path / "a.parquet", table)
    write(tmp_path / "b.parquet", table.astype({"n": "float64"}))
    with pytest.raises(DataError, match=r'b\.parquet: column "n" is double, .* before it int64'):
        RowGroups(tmp_path)
    assert len(joined(RowGroups(tmp_path, ["y"]))) == 2 * ROWS


def test_two_columns_of_one_name_are_refused(tmp_path):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "x.parquet")
    with pytest.raises(DataError, match='two columns are called "a"'):
        RowGroups(tmp_path / "x.parquet")


def test_a_group_too_large_to_read_is_told_with_the_size_that_does(file, monkeypatch):
    monkeypatch.setattr(row_groups, "MOST_BYTES", 3000)
    with pytest.raises(
        DataError, match=r"row group 0 of 150 rows .*; name fewer columns, or write"
    ):
        RowGroups(file)
    # 150 rows of 8 bytes.
    assert len(RowGroups(file, ["n"])) == 7


def test_without_pyarrow_one_is_told_what_to_install(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'recurra\[parquet\]'"):
        RowGroups(file)
