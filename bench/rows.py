"""What a bench prints and writes."""

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch


@dataclass(frozen=True)
class Row:
    """One figure, beside a peer's where there is one."""

    case: str
    metric: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return None if not self.peer_value else self.value / self.peer_value

    def written(self) -> dict[str, object]:
        """The row as JSON has it."""
        return {**vars(self), "ratio": self.ratio}

    def show(self) -> None:
        """Print the row."""
        text = f"{self.case:<28} {self.metric:<22} {self.value:>10.4g} {self.unit:<10}"
        if self.peer_value is not None:
            text += f" {self.peer}: {self.peer_value:.4g}"
        print(text, flush=True)


class Shown(Protocol):
    """A row of any bench: case, metric, value, unit, peer, peer_value and ratio, and its own."""

    def written(self) -> dict[str, object]: ...
    def show(self) -> None: ...


def wanted(case: str, only: str) -> bool:
    """Whether a case matches `--only`."""
    return re.search(only, case) is not None


def write_rows(path: str, rows: Sequence[Shown]) -> None:
    """Write rows as JSON, each with the machine that it was measured on.

    A row that counts its own threads says so itself.
    """
    machine = {"cpu": cpu(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    listed = [{**machine, **row.written()} for row in rows]
    Path(path).write_text(json.dumps(listed, indent=1) + "\n")


def cpu() -> str:
    """The processor and its cores."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()}, {os.cpu_count()} cores"
    return platform.processor() or platform.machine()
