"""Parquet files larger than memory, one row group at a time.

A row group is what such a file can be read by: some thousand rows, each column packed for itself.
The writer chose their size (`row_group_size`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurra.data.shuffle import pools
from recurra.data.table import listed, shown
from recurra.errors import DataError, MissingFileError, MissingPackageError

# What one row group may take unpacked; a file that holds more in one cannot be streamed.
MOST_BYTES = 1 << 30


class _Place(NamedTuple):
    """Where a row group lies."""

    path: Path
    metadata: Any
    number: int


class RowGroups:
    """The row groups of a Parquet file, or of all in a folder by their names, as frames.

    Only the columns wanted are read, and no more than a row group is in memory; any thread may
    read.

    Args:
        source: the path of a file, or of a folder of `.parquet` files with the same columns.
        columns: those wanted, in this order; all when not given.

    Attributes:
        columns: names.
        sizes: rows of each row group.

    Raises:
        DataError: something is no Parquet file, a column is not there, or a group is too large.
        MissingFileError: there is no such file.
        MissingPackageError: pyarrow is not installed.
    """

    columns: tuple[str, ...]
    sizes: NDArray[np.int64]

    def __init__(self, source: str | PathLike[str], columns: Sequence[str] | None = None) -> None:
        self._places: list[_Place] = []
        types: dict[str, Any] = {}
        for path in _files(Path(source)):
            metadata, found = _footer(path)
            names = list(types or found) if columns is None else columns
            _check_columns(path, found, names, types)
            types = types or {name: found[name] for name in names}
            groups = range(metadata.num_row_groups)
            self._places += [_Place(path, metadata, number) for number in groups]
        self.columns = tuple(types)
        sizes = [place.metadata.row_group(place.number).num_rows for place in self._places]
        self.sizes = np.array(sizes, np.int64)
        for place, rows in zip(self._places, sizes, strict=True):
            _check_size(place, rows, self.columns)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, group: int) -> pd.DataFrame:
        """The rows of a group, numbered from 0; whole numbers are floats where one is missing.

        Raises:
            DataError: the file is damaged there.
            IndexError: there is no such group.
        """
        place = self._places[group]
        parquet = _parquet(place.path)
        with _told(place.path, f"row group {place.number}"):
            with parquet.ParquetFile(place.path, metadata=place.metadata) as file:
                table = file.read_row_group(place.number, columns=list(self.columns))
            frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        return frame[list(self.columns)]

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return (self[group] for group in range(len(self)))

    def shuffled(
        self, seed: int, epoch: int, *, together: int = 1, begin: int = 0
    ) -> Iterator[pd.DataFrame]:
        """Every row once, in an order of seed and epoch: groups at random, and rows inside a pool.

        Args:
            seed: at least 0.
            epoch: at least 0.
            together: groups whose rows are mixed; so many are in memory, twice.
            begin: rows that are done; groups before them are not read.

        Raises:
            DataError: a file is damaged.
            OptionError: an argument does not fit.
        """
        found = pools(self.sizes, seed, epoch, together=together, begin=begin)
        return (self._mixed(pool.blocks, pool.order) for pool in found)

    def _mixed(self, groups: NDArray[np.int64], order: NDArray[np.int64]) -> pd.DataFrame:
        frames = [self[group] for group in groups.tolist()]
        frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        return frame.take(order).reset_index(drop=True)


def each_series(frames: Iterable[pd.DataFrame], column: str) -> Iterator[pd.DataFrame]:
    """The rows of one series after the other, whole, wherever row groups end.

    Args:
        frames: of a table in which the rows of a series stand together, such as `RowGroups`.
        column: that names the series.

    Raises:
        DataError: a row names no series, or one comes back after another.
    """
    seen: set[object] = set()
    held: list[pd.DataFrame] = []
    last: object = None
    for frame in frames:
        for name, rows in _runs(frame, column):
            if held and name != last:
                yield pd.concat(held, ignore_index=True)
                held = []
            if not held and name in seen:
                raise DataError(
                    f"the table: series {shown(name)} comes back after another; sort the rows by "
                    f'"{column}"'
                )
            seen.add(name)
            held.append(rows)
            last = name
    if held:
        yield pd.concat(held, ignore_index=True)


def _runs(frame: pd.DataFrame, column: str) -> Iterator[tuple[object, pd.DataFrame]]:
    """Rows that stand together and name the same series."""
    if column not in frame:
        raise DataError(f'the table: no column "{column}"; there are {listed(frame.columns)}')
    codes, names = pd.factorize(frame[column])
    if (codes < 0).any():
        raise DataError(f'the table: column "{column}": a series has no name')
    edges = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    for begin, end in pairwise(edges):
        yield names[codes[begin]], frame.iloc[begin:end]


def _files(source: Path) -> list[Path]:
    if not source.exists():
        raise MissingFileError(
            f"{source}: no such file; it takes a Parquet file or a folder of them"
        )
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix == ".parquet")
    if not found:
        raise DataError(f"{source}: no .parquet file in this folder")
    return found


def _parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError(
            f"{path.name}: Parquet needs pyarrow; pip install 'recurra[parquet]'"
        ) from error
    return pyarrow.parquet


@contextmanager
def _told(path: Path, where: str) -> Iterator[None]:
    """Say in one line what Arrow finds wrong."""
    import pyarrow

    try:
        yield
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        said = str(error).strip().partition("\n")[0]
        raise DataError(f"{path}: {where} cannot be read: {said}") from error


def _footer(path: Path) -> tuple[Any, dict[str, Any]]:
    """What a file says of itself: its metadata, and the type of each column."""
    parquet = _parquet(path)
    with _told(path, "its footer"), parquet.ParquetFile(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
    types = {field.name: field.type for field in schema}
    if len(types) != len(schema.names):
        twice = next(name for name in schema.names if schema.names.count(name) > 1)
        raise DataError(f'{path}: two columns are called "{twice}"')
    return metadata, types


def _check_columns(
    path: Path, found: dict[str, Any], names: Sequence[str], types: dict[str, Any]
) -> None:
    """Whether a file has the columns that are wanted, as the files before it have them."""
    if not names:
        raise DataError(f"{path}: no columns")
    for name in names:
        if name not in found:
            raise DataError(f'{path}: no column "{name}"; there are {listed(found)}')
        if types and found[name] != types[name]:
            raise DataError(
                f'{path}: column "{name}" is {found[name]}, in the files before it {types[name]}'
            )


def _check_size(place: _Place, rows: int, columns: Sequence[str]) -> None:
    group = place.metadata.row_group(place.number)
    parts = [group.column(number) for number in range(group.num_columns)]
    wanted = [part for part in parts if part.path_in_schema.split(".")[0] in columns]
    packed = sum(part.total_uncompressed_size for part in wanted)
    # A value that repeats takes next to nothing in the file.
    size = max(packed, 8 * rows * len(columns))
    if size > MOST_BYTES:
        raise DataError(
            f"{place.path}: row group {place.number} of {rows} rows takes {size >> 20} MiB, more "
            f"than {MOST_BYTES >> 20}; name fewer columns, or write it with a row_group_size of "
            f"{max(1, rows * MOST_BYTES // size // 4)}"
        )
