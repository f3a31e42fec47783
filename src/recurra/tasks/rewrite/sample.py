"""A few dates to learn from in seconds."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np

DATES, FIRST, DAYS = 600, date(1950, 1, 1), 30_000
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)


def write_sample(folder: Path) -> Path:
    """Dates as people write them, and as ISO 8601 has them, two columns between tabs.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dates.tsv"
    days = [FIRST + timedelta(int(day)) for day in random.integers(DAYS, size=DATES)]
    lines = [f"{_written(day, int(random.integers(4)))}\t{day.isoformat()}\n" for day in days]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _written(day: date, form: int) -> str:
    """One of four forms."""
    month = MONTHS[day.month - 1]
    return (
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day.day}.{day.month}.{day.year}",
        f"{month[:3]} {day.day} {day.year}",
    )[form]
