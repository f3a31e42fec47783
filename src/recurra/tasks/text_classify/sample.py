"""A few made reviews to learn from in seconds."""

import csv
from io import StringIO
from pathlib import Path

import numpy as np

REVIEWS = 240
THINGS = ("bread", "cake", "coffee", "soup", "service", "terrace", "pie", "breakfast")
GOOD = ("wonderful", "fresh", "lovely", "warm", "delicious", "friendly")
BAD = ("stale", "cold", "awful", "slow", "burnt", "rude")
OPENINGS = ("The", "Our", "Honestly, the", "This time the", "As ever, the")
ENDINGS = ("", " We will be back.", " Prices have gone up.", " My aunt agrees!", " It rained.")


def write_sample(folder: Path) -> Path:
    """Reviews of a bakery with the labels good and bad, as a CSV; "not" turns a word around.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    lines = StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(("text", "label"))
    for _ in range(REVIEWS):
        good, turned = random.random() < 0.5, random.random() < 0.3
        words = GOOD if good != turned else BAD
        said = f"{'not ' if turned else ''}{random.choice(words)}"
        opening, thing = random.choice(OPENINGS), random.choice(THINGS)
        table.writerow(
            (
                f"{opening} {thing} was {said}.{random.choice(ENDINGS)}",
                "good" if good else "bad",
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reviews.csv"
    path.write_text(lines.getvalue(), encoding="utf-8")
    return path
