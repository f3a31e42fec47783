"""Reports as JSON, and back, believing nothing of it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.classes.metrics import BINS
from recurra.tasks.classes.report import ClassReport, Curve, Reliability
from recurra.tasks.signals.reports import ValueReport

Floats = NDArray[np.float64]
Report = ClassReport | ValueReport


def report_from_json(found: Mapping[str, Any], classes: tuple[str, ...] | None) -> Report:
    """What `to_json` of a report wrote.

    Args:
        classes: their names; None where answers are numbers.

    Raises:
        ValueError, TypeError, LookupError: it is something else.
    """
    figures = {str(name): _figure(value) for name, value in dict(found["figures"]).items()}
    if classes is None:
        values, steps = found["values"], found["steps"]
        true, off = _row(values["true"]), _row(steps["mae"])
        said, places = _row(values["answer"], len(true)), _row(steps["step"], len(off))
        return ValueReport(figures, true, said, places, off)
    table = np.array(found["confusion"])
    fits = table.dtype == np.int64 and table.shape == (len(classes), len(classes))
    if not fits or (table < 0).any():
        raise ValueError(f"the report has a table of {table.shape} {table.dtype}")
    bins = found["reliability"]
    counts = np.array(bins["counts"])
    if counts.dtype != np.int64 or counts.shape != (BINS,) or (counts < 0).any():
        raise ValueError(f"the report has counts of {counts.shape} {counts.dtype}")
    own = [_row(bins[name], BINS) for name in ("confidence", "accuracy")]
    return ClassReport(classes, table, figures, Reliability(counts, *own), _curve(found))


def _curve(found: Mapping[str, Any]) -> Curve | None:
    if "roc" not in found:
        return None
    roc = found["roc"]
    false = _row(roc["false"])
    return Curve(false, _row(roc["true"], len(false)), _figure(roc["auc"]))


def _row(value: object, count: int | None = None) -> Floats:
    if not isinstance(value, list) or not all(type(one) in (int, float) for one in value):
        raise ValueError("the report has a row that is no list of numbers")
    if count is not None and len(value) != count:
        raise ValueError(f"the report has a row of {len(value)}, not of {count}")
    row = np.array(value, np.float64)
    if not np.isfinite(row).all():
        raise ValueError("the report has a row that is not finite")
    return row


def _figure(value: object) -> float:
    if value is None:
        return math.nan
    if type(value) is not float:
        raise ValueError(f"the report has the figure {value!r}")
    return value
