"""What commands print."""

import math
from typing import TYPE_CHECKING

from recurra.tasks.estimator import Measures

if TYPE_CHECKING:
    from recurra.train import Rates


def show_measures(measures: Measures) -> None:
    """The model beside its baselines, one line each, and who wins."""
    rows = {"model": measures.metrics, **measures.baselines}
    columns = list(next(iter(measures.baselines.values()), measures.metrics))
    width = max(len(name) for name in rows)
    heads = {column: column.upper().replace("_", " ") for column in columns}
    wide = {column: max(12, len(head) + 2) for column, head in heads.items()}
    print(f"measured  {measures.about}")
    print("          " + " " * width + "".join(f"{heads[c]:>{wide[c]}}" for c in columns))
    for name, row in rows.items():
        line = "".join(f"{number(row[c]):>{wide[c]}}" for c in columns)
        print(f"          {name:<{width}}{line}")
    print(f"verdict   {measures.verdict}")
    shares = [
        f"{measures.metrics[key]:.1%} inside the {key.removeprefix('coverage_')} % interval"
        for key in measures.metrics
        if key.startswith("coverage_")
    ]
    if shares:
        print(f"coverage  measured: {', '.join(shares)}")


def number(value: float) -> str:
    """Four significant digits, without powers of ten where people would not write them."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:,.{digits}f}"
    return f"{value:.3e}"


def show_rates(found: "Rates", lines: int = 12) -> None:
    """Some of the rates that were tried, the loss at each as a bar, and the suggestion."""
    every = max(1, len(found.rates) // lines)
    most = max(*map(abs, found.losses), 1e-30)
    print("rate      loss, smoothed")
    for rate, loss in list(zip(found.rates, found.losses, strict=True))[::every]:
        print(f"{rate:<9.1e} {number(loss):>10}  {'█' * round(30 * loss / most)}".rstrip())
    print(f"suggested {found.suggested:.2g}, where the loss falls fastest")
