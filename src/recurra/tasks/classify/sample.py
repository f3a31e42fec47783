"""A few made gestures to learn from in seconds."""

from pathlib import Path

import numpy as np

EACH = 30
GESTURES = ("circle", "line", "wave")


def write_sample(folder: Path) -> Path:
    """Gestures as a CSV with a row a moment: whose, when, where, and its name.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    lines = ["id,time,x,y,label"]
    for number in range(EACH * len(GESTURES)):
        kind = GESTURES[number % len(GESTURES)]
        for moment, (x, y) in enumerate(_drawn(kind, random)):
            lines.append(f"g{number},{moment},{x:.2f},{y:.2f},{kind}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gestures.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _drawn(kind: str, random: np.random.Generator) -> np.ndarray:
    """The points of a gesture (T, 2), of any size, faster or slower."""
    t = np.linspace(0, 1, int(random.integers(8, 15)))
    turn = 2 * np.pi * t
    x, y = {
        "circle": (np.cos(turn), np.sin(turn)),
        "line": (2 * t - 1, t - 0.5),
        "wave": (2 * t - 1, np.sin(turn)),
    }[kind]
    points = np.stack([x, y], axis=1) * random.uniform(0.7, 1.3)
    return points + random.normal(0, 0.08, points.shape)
