"""A few made batteries to learn from in seconds."""

from pathlib import Path

import numpy as np

BATTERIES = 90


def write_sample(folder: Path) -> Path:
    """Batteries as a CSV with a row an hour: its voltage and current; and the hours that are left.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    lines = ["id,time,voltage,current,target"]
    for number in range(BATTERIES):
        hours, current = int(random.integers(8, 15)), random.uniform(0.5, 1.5)
        charge = random.uniform(18, 30) - current * np.arange(hours)
        left = charge[-1] / current
        draw = current + random.normal(0, 0.03, hours)
        voltage = 3 + charge / 30 - 0.1 * draw + random.normal(0, 0.01, hours)
        lines += [
            f"b{number},{hour},{voltage[hour]:.3f},{draw[hour]:.2f},{left:.1f}"
            for hour in range(hours)
        ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "batteries.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
