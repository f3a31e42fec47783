"""A few sentences to learn from in seconds."""

from pathlib import Path

import numpy as np

SENTENCES = 120
WORDS = {
    "DET": ("the", "a", "every", "this"),
    "ADJ": ("small", "warm", "old", "quiet", "salty"),
    "NOUN": ("baker", "oven", "loaf", "walk", "watch", "smell", "toast", "market"),
    "VERB": ("bakes", "sells", "walk", "watch", "smell", "toast", "market"),
    "ADP": ("near", "behind", "with"),
    "PROPN": ("Ada", "Lisbon", "Emil"),
}
PHRASES = (("DET", "NOUN"), ("DET", "ADJ", "NOUN"), ("PROPN",))


def write_sample(folder: Path) -> Path:
    """Made sentences as CoNLL-U; some of their words are nouns here and verbs there.

    Args:
        folder: where to; made when it is not there.
    """
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bakery.conllu"
    path.write_text("".join(_written(n + 1, _made(random)) for n in range(SENTENCES)))
    return path


def _made(random: np.random.Generator) -> list[tuple[str, str]]:
    """A phrase, a verb, a phrase, perhaps where, and a full stop."""
    kinds = [*_phrase(random), "VERB", *_phrase(random)]
    if random.random() < 0.5:
        kinds += ["ADP", *_phrase(random)]
    words = [(str(random.choice(WORDS[kind])), kind) for kind in kinds]
    return [*words, (".", "PUNCT")]


def _phrase(random: np.random.Generator) -> tuple[str, ...]:
    return PHRASES[int(random.integers(len(PHRASES)))]


def _written(number: int, words: list[tuple[str, str]]) -> str:
    lines = [
        f"{k}\t{word}\t_\t{tag}\t_\t_\t_\t_\t_\t_" for k, (word, tag) in enumerate(words, start=1)
    ]
    return "\n".join([f"# sent_id = {number}", *lines, "", ""])
