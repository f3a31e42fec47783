"""A small table to learn from in seconds."""

from pathlib import Path

import numpy as np
import pandas as pd

DAYS = 400


def write_sample(folder: Path) -> Path:
    """Two daily series with a trend, a weekly season and noise, as a wide CSV.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    days = np.arange(DAYS)
    week = np.array([0.0, 1.0, 2.0, 2.5, 3.0, 6.0, 5.0])[days % 7]
    table = pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=DAYS).strftime("%Y-%m-%d"),
            "bread": 40 + 0.02 * days + 4 * week + random.normal(0, 1.5, DAYS),
            "cake": 12 + 0.01 * days + 2 * week[::-1] + random.normal(0, 1.0, DAYS),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bakery.csv"
    table.round(2).to_csv(path, index=False)
    return path
