"""A small text to learn from in seconds."""

from pathlib import Path

import numpy as np

SENTENCES = 400
WHO = ("the miller", "a heron", "the old ferry", "my aunt", "a grey cat", "the baker", "nobody")
DOES = ("waits for", "remembers", "follows", "has painted", "sings to", "forgets")
WHAT = ("the river", "a letter", "the moon", "seven apples", "the morning train", "an open door")
WHEN = ("today", "in the rain", "before noon", "every winter", "at last", "without a word")
LINK = ("because", "while", "until", "although")


def write_sample(folder: Path) -> Path:
    """Sentences by a small grammar, one a line, as a text file.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "river.txt"
    lines = [_sentence(random) for _ in range(SENTENCES)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _sentence(random: np.random.Generator) -> str:
    said = _clause(random)
    if random.random() < 0.3:
        said += f" {random.choice(LINK)} {_clause(random)}"
    return f"{said[0].upper()}{said[1:]}."


def _clause(random: np.random.Generator) -> str:
    parts = [random.choice(some) for some in (WHO, DOES, WHAT)]
    if random.random() < 0.6:
        parts.append(random.choice(WHEN))
    return " ".join(parts)
