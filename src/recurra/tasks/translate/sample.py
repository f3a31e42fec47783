"""A few sentences of two made languages to learn from in seconds."""

from pathlib import Path

import numpy as np

SENTENCES = 400
NOUNS = {
    "baker": "panor", "sailor": "maril", "child": "tivu", "queen": "redana", "fox": "zorin",
    "teacher": "dokel",
}  # fmt: skip
ADJECTIVES = {"old": "sen", "small": "piki", "happy": "lum", "quiet": "tash"}
VERBS = {"sees": "vid", "hears": "oras", "follows": "sek", "finds": "trov"}
TIMES = {"today": "hodi", "again": "denu"}
# Behind a noun stands whether it acts or suffers; a verb ends as the noun that acts begins.
ACTS, SUFFERS = "ka", "mo"


def write_sample(folder: Path) -> Path:
    """Sentences and what they are in a language whose verb comes last, two columns between tabs.

    An adjective stands behind its noun there, a word after each noun says whether it acts, and the
    verb agrees with the one that does.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "toy.tsv"
    path.write_text("".join(f"{_pair(random)}\n" for _ in range(SENTENCES)), encoding="utf-8")
    return path


def _pair(random: np.random.Generator) -> str:
    acting, acts, first = _phrase(random, ACTS)
    suffering, suffers, _ = _phrase(random, SUFFERS)
    verb = str(random.choice(list(VERBS)))
    source, target = f"{acting} {verb} {suffering}", f"{acts} {suffers} {VERBS[verb]}{first}"
    if random.random() < 0.4:
        time = str(random.choice(list(TIMES)))
        source, target = f"{source} {time}", f"{TIMES[time]} {target}"
    return f"{source} .\t{target} ."


def _phrase(random: np.random.Generator, role: str) -> tuple[str, str, str]:
    """In the one language, in the other, and how the noun begins there."""
    noun = str(random.choice(list(NOUNS)))
    made = NOUNS[noun]
    if random.random() < 0.5:
        return f"the {noun}", f"{made} {role}", made[0]
    adjective = str(random.choice(list(ADJECTIVES)))
    return f"the {adjective} {noun}", f"{made} {ADJECTIVES[adjective]} {role}", made[0]
