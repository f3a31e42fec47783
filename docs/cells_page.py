"""Writes `docs/cells.md` from the code and from what the benches measured: `make docs`."""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from recurra.cells import CELLS, Cell
from recurra.engine import leaves

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "catalogue.json"
H = 128
HEAD = f"""# The cells

Every cell in `CELLS`, by the name that `--cell` and `CELLS[name]` take. This page is written by
`make docs` from the modules of `recurra/cells` and from `bench/results/catalogue.json`.

```python
import torch

from recurra.cells import CELLS

cell = CELLS["gated_deltanet"](16, 32)  # input_size F, hidden_size H
y, state = cell.sequence(torch.randn(4, 50, 16))  # (B, T, F) to (B, T, H)
assert y.shape == (4, 50, 32)
```

**Parameters** and **state** count numbers at F = H = {H}, with every option at its default; cells
over images have {H} channels. **Parallel** says whether `sequence` can run all steps at once; every
cell runs step by step in the native engine. **Infer** and **train** are milliseconds for 8 rows of
256 steps, 256 features and units (images: 16 channels on 4 × 4), and behind them how many times
faster that is than the Python loop over the same step; measured by `python -m bench catalogue`.
"""


class Page(NamedTuple):
    """What a module says of its cell."""

    title: str
    body: str


def page() -> str:
    """The whole text."""
    return "\n".join([HEAD, *_table(), "", *(_section(name) for name in CELLS)])


def told(kind: type[Cell[Any]]) -> Page:
    """The docstring of a cell's module: its first line; then equations as blocks, and prose."""
    text = inspect.getdoc(inspect.getmodule(kind)) or ""
    title, _, rest = text.partition("\n")
    parts = []
    for part in re.split(r"\n\n(?=\S)|\n\n(?=    )", rest.strip("\n")):
        if part.startswith("    "):
            parts.append(f"```text\n{inspect.cleandoc(part)}\n```")
        else:
            parts.append(part)
    return Page(title, "\n\n".join(parts))


def _table() -> list[str]:
    lines = [
        "| name | class | parameters | state | parallel | infer, ms | train, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    measured = _measured()
    for name, kind in CELLS.items():
        cell: Any = kind(H, H)
        numbers = sum(each.numel() for each in cell.parameters())
        state = sum(each.numel() for each in leaves(cell.initial_state(1)))
        parallel = "yes" if cell.has_parallel else "–"
        times = " | ".join(measured.get((name, mode), "") for mode in ("infer", "train"))
        link = f"[`{name}`](#{name})"
        lines.append(
            f"| {link} | `{kind.__name__}` | {numbers:,} | {state:,} | {parallel} | {times} |"
        )
    return lines


def _section(name: str) -> str:
    kind = CELLS[name]
    found = told(kind)
    gates = f"Gates, as they are stacked: {', '.join(kind.gates)}.\n\n" if kind.gates else ""
    call = f"`{kind.__name__}{_signature(kind)}`"
    return f"## {name}\n\n{found.title}\n\n{call}\n\n{gates}{found.body}\n"


def _signature(kind: type[Cell[Any]]) -> str:
    """The constructor's arguments and defaults, without what all cells have."""
    given = []
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        if parameter.name in ("device", "dtype"):
            continue
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        given.append(parameter.name + default)
    return f"({', '.join(given)})"


def _measured() -> dict[tuple[str, str], str]:
    """Milliseconds and how many times faster, by cell and mode."""
    if not RESULTS.exists():
        return {}
    rows = json.loads(RESULTS.read_text())
    return {
        (row["case"], row["mode"]): f"{row['ours_ms']:.3g} ({row['ratio']:.1f} ×)" for row in rows
    }


if __name__ == "__main__":
    torch.manual_seed(0)
    (ROOT / "docs" / "cells.md").write_text(page())
    sys.exit(0)
