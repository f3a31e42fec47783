"""What a table must be for something to be learned from it."""

from collections.abc import Sequence

from recurra.data.options import Schema
from recurra.data.rows import Rows
from recurra.data.series import Series
from recurra.errors import DataError

MOST_STEPS = 100_000_000
MOST_STEPS_PER_ROW = 100
MOST_MISSING = 0.1


def check_size(rows: Rows, where: str) -> None:
    """Refuses a grid that is absurdly larger than the table."""
    lengths = rows.index[rows.edges[1:] - 1] - rows.index[rows.edges[:-1]] + 1
    steps, count = int(lengths.sum()), len(rows.index)
    if steps > MOST_STEPS or steps > MOST_STEPS_PER_ROW * count:
        raise DataError(
            f"{where}: {count:,} rows span {steps:,} steps; that is a wrong date or a step that is "
            "too short; mend the date or say --frequency, such as --frequency D"
        )


def check_series(
    series: Sequence[Series], where: str, schema: Schema, skip: bool, constant_fits: bool
) -> tuple[list[Series], list[str]]:
    """Leaves out what has no values and refuses what cannot be learned from.

    Args:
        series: all of them.
        where: the file, for messages.
        schema: says what may be missing.
        skip: leave constant series out.
        constant_fits: accept them.
    """
    facts = []
    good = [one for one in series if len(one.values)]
    empty = [one.name for one in series if not len(one.values)]
    if not good:
        raise DataError(f"{where}: {_quoted(empty)}: no value at all, every one is missing")
    if empty:
        facts.append(f"left out, no value at all: {_quoted(empty)}")
    constant = [] if constant_fits else [one.name for one in good if one.constant]
    if constant and (not skip or len(constant) == len(good)):
        every = (
            ""
            if len(constant) < len(good)
            else "; no other series is left; --target COLUMN names others"
        )
        mend = "" if every else "; --skip-constant leaves such series out"
        value = next(one for one in good if one.constant).values[0]
        raise DataError(
            f"{where}: {_quoted(constant)}: all values are equal ({value:g}){mend}{every}"
        )
    if constant:
        facts.append(f"left out, all values equal: {_quoted(constant)}")
        good = [one for one in good if not one.constant]
    return good, facts + _check_missing(good, where, schema)


def _check_missing(series: Sequence[Series], where: str, schema: Schema) -> list[str]:
    missing, steps = sum(one.missing for one in series), sum(len(one.values) for one in series)
    if not missing:
        return []
    worst = max(series, key=lambda one: one.missing / len(one.values))
    share = worst.missing / len(worst.values)
    if schema.missing == "refuse":
        raise DataError(
            f'{where}: series "{worst.name}" has {worst.missing:,} missing values and --missing '
            "refuse allows none; say --missing auto, interpolate or drop"
        )
    if schema.missing == "auto" and share > MOST_MISSING:
        raise DataError(
            f'{where}: series "{worst.name}" has {100 * share:.0f} % missing; more than '
            f"{100 * MOST_MISSING:.0f} % needs --missing interpolate or drop"
        )
    most = f', most in "{worst.name}" ({_percent(share)})' if len(series) > 1 else ""
    return [f"{missing:,} of {steps:,} steps missing ({_percent(missing / steps)}){most}"]


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _quoted(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:most])
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"series {shown}{more}"
