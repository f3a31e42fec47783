"""From bytes to a table: CSV in its dialects, Parquet, and frames."""

import bz2
import gzip
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from recurra.errors import DataError, MissingFileError, MissingPackageError

SEPARATORS = (",", ";", "\t", "|")
HEAD_BYTES = 65_536


@dataclass(frozen=True)
class Table:
    """Columns with a name for messages.

    Args:
        name: the file's name, or `the table` for a frame.
        frame: text keys, rows numbered from 0.
        path: the text file it came from, if any.
        na: texts that mean "missing".
    """

    name: str
    frame: pd.DataFrame
    path: Path | None = None
    na: tuple[str, ...] = ()

    def row(self, position: int) -> int:
        """The number of a row for people: the line of a file, counted from 1 with the header."""
        return position if self.path is None else _line(self.path, position)


def _line(path: Path, position: int) -> int:
    """The line of a text file that holds a data row; empty lines are no rows."""
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            position -= bool(line.strip())
            if position == -2:
                return number
    return position + 2


def read_table(source: object, na: Sequence[str] = ()) -> Table:
    """Reads a file or takes a frame.

    Raises:
        DataError: when it is no table.
        MissingFileError: when there is no such file.
    """
    if isinstance(source, str | Path):
        table = _read_file(Path(source), tuple(na))
    else:
        table = Table("the table", _from_frame(source), na=tuple(na))
    if not len(table.frame.columns):
        raise DataError(f"{table.name}: no columns")
    if not len(table.frame):
        raise DataError(f"{table.name}: a header but no rows; it takes a row each step")
    return table


def _from_frame(source: Any) -> pd.DataFrame:
    """A frame of pandas or polars, with text keys and numbered rows."""
    if isinstance(source, pd.Series):
        source = source.to_frame(source.name if source.name is not None else "y")
    if isinstance(source, pd.DataFrame):
        frame = source
        if not isinstance(frame.index, pd.RangeIndex):
            dated = isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex)
            if dated and frame.index.name is None:
                frame = frame.rename_axis("date")
            named = any(name is not None for name in frame.index.names)
            frame = frame.reset_index(drop=not named)
        else:
            frame = frame.reset_index(drop=True)
    elif type(source).__module__.split(".")[0] == "polars" and hasattr(source, "get_columns"):
        # Column by column: polars' own conversion to pandas needs pyarrow.
        frame = pd.DataFrame({column.name: column.to_numpy() for column in source.get_columns()})
    else:
        raise DataError(
            f"a table is a path or a pandas or polars frame; got {type(source).__name__}"
        )
    frame.columns = pd.Index([str(name) for name in frame.columns])
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f'the table: two columns are called "{twice[0]}"')
    return frame


def _read_file(path: Path, na: tuple[str, ...]) -> Table:
    if path.is_dir():
        raise DataError(f"{path}: a folder, not a table")
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; it takes the path of a CSV or Parquet file")
    if ".parquet" in path.suffixes or path.suffix == ".pq":
        return Table(path.name, _from_frame(_read_parquet(path)), na=na)
    return Table(path.name, _guarded(path, lambda: _read_text(path, na)), path, na)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"{path.name}: Parquet needs pyarrow; pip install 'recurra[parquet]'"
        ) from error
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name}: not a Parquet file") from error


def _guarded(path: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Runs a reader and says in one line what is wrong with the file."""
    try:
        return read()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name}: not a table of UTF-8 text; save it as CSV in UTF-8"
        ) from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"{path.name}: empty; it takes a header with the columns' names and rows below it"
        ) from error
    except pd.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        said = f"row {found[2]} has {found[3]} fields, not {found[1]}" if found else str(error)
        raise DataError(f"{path.name}: {said.strip()}") from error


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes inside, whatever packs them."""
    openers: dict[str, Callable[..., Any]] = {
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
    }
    if path.suffix != ".zip":
        with openers.get(path.suffix, open)(path, "rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise zipfile.BadZipFile(f"holds {len(names)} files, one is needed")
        with archive.open(names[0]) as file:
            yield file


def _read_text(path: Path, na: tuple[str, ...]) -> pd.DataFrame:
    with opened(path) as file:
        head = file.read(HEAD_BYTES)
        if b"\0" in head:
            raise UnicodeDecodeError("utf-8", head[:1], 0, 1, "binary")
        # A letter may be cut at the end of what was read; the reader below sees the whole.
        lines = [line for line in head.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    separator = find_separator(lines[:50])
    numbers = [field for line in lines[1:50] for field in line.split(separator)]
    decimal = "," if separator != "," and _has_decimal_commas(numbers) else "."
    with warnings.catch_warnings():
        # A column of mixed types is refused later, by name and row.
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        frame = pd.read_csv(
            path,
            sep=separator,
            decimal=decimal,
            na_values=list(na),
            dtype=dict.fromkeys(_zero_led(lines[:1000], separator), "str"),
            encoding="utf-8",
            skipinitialspace=True,
        )
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{path.name}: the rows have more fields than the header")
    if all(re.fullmatch(r"-?\d+(\.\d+)?|\d+[-/.]\d+[-/.]\d+.*", name) for name in frame.columns):
        raise DataError(
            f"{path.name}: the first row holds values; a header with the columns' names is needed"
        )
    frame.columns = frame.columns.str.strip()
    return _without_empty_end(frame)


def _without_empty_end(frame: pd.DataFrame) -> pd.DataFrame:
    """Less the rows of bare separators that a spreadsheet leaves at the end."""
    if not len(frame) or frame.iloc[-1].notna().any():
        return frame
    filled = np.flatnonzero(frame.notna().any(axis=1))
    return frame.iloc[: filled[-1] + 1 if len(filled) else 0]


def find_separator(lines: Sequence[str]) -> str:
    """The separator that splits the most lines into as many fields as the first."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]

    def agreement(separator: str) -> float:
        counts = np.array([line.count(separator) for line in bare] or [0])
        return float((counts == counts[0]).mean()) if counts[0] else 0.0

    return max(SEPARATORS, key=agreement)


def _has_decimal_commas(fields: Sequence[str]) -> bool:
    def some(pattern: str) -> bool:
        return any(re.fullmatch(pattern, field.strip().strip('"')) for field in fields)

    return some(r"-?\d+,\d+") and not some(r"-?\d+\.\d+")


def _zero_led(lines: Sequence[str], separator: str) -> list[str]:
    """Columns such as `007`, which would lose their zeros as numbers."""
    rows = [[field.strip().strip('"') for field in line.split(separator)] for line in lines]
    return [
        name
        for place, name in enumerate(rows[0] if rows else [])
        if any(re.fullmatch(r"0\d+", row[place]) for row in rows[1:] if place < len(row))
    ]


def shown(cell: object, most: int = 40) -> str:
    """What stands in a cell, in quotes, short and on one line."""
    text = " ".join(str(cell).split())
    return f'"{text}"' if len(text) <= most else f'"{text[:most]}…"'


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names for a message: all, or the first ones and how many more."""
    names = list(names)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} … ({len(names)} in all)"
