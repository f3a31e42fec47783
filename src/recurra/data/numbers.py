"""From a column to float64, NaN where a value is missing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recurra.data.table import Table, shown
from recurra.errors import DataError

# What a file's reader takes for missing already, met in the text of a frame.
USUAL = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None")


def is_number(column: pd.Series) -> bool:
    """Whether the column's type is a number's; truth values are none."""
    return column.dtype.kind in "iuf"


def parsed(column: pd.Series, na: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """The column as float64, and where it holds something that is neither number nor missing."""
    if column.dtype.kind in "cmM":
        values, wrong = np.full(len(column), np.nan), column.notna().to_numpy()
    elif column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
        values = column.to_numpy().astype(np.float64, copy=False)
        wrong = np.isinf(values)
    else:
        empty = column.isna().to_numpy()
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        if column.dtype.kind not in "iufb":
            empty = empty | column.isin([*USUAL, *na]).to_numpy()
        wrong = (np.isnan(values) | np.isinf(values)) & ~empty
    markers = _numeric(na)
    if markers:
        values = np.where(np.isin(values, markers), np.nan, values)
    return values, wrong


def _numeric(na: Sequence[str]) -> list[float]:
    numbers = pd.to_numeric(pd.Series(list(na), dtype="object"), errors="coerce")
    return [float(number) for number in numbers if np.isfinite(number)]


def read_numbers(table: Table, name: str) -> np.ndarray:
    """The column as float64.

    Raises:
        DataError: some value is no number; names the first row and `--na`.
    """
    column = table.frame[name]
    values, wrong = parsed(column, table.na)
    if not wrong.any():
        # A panel must not change with the frame that it came from.
        return values if table.path is not None else values.copy()
    first = int(np.argmax(wrong))
    cell = shown(column.iloc[first])
    count = int(wrong.sum())
    many = "1 value is no number" if count == 1 else f"{count:,} values are not numbers, first"
    raise DataError(
        f'{table.name}: column "{name}": {many} at row {table.row(first)}: {cell}; if that means '
        f"missing, say --na {cell}"
    )


def mostly_numbers(column: pd.Series, na: Sequence[str] = ()) -> bool:
    """Whether a column of text is a column of numbers with some text in it."""
    if column.dtype.kind in "iufbcmM" or not column.notna().any():
        return False
    values, wrong = parsed(column, na)
    return bool(np.isfinite(values).sum() >= max(1, wrong.sum()))
