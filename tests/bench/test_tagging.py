"""What the bench of tagging promises: official parts, each measured whole."""

from bench import tagging
from recurra.data import Sentence

WORDS = {"the": "DET", "old": "ADJ", "baker": "NOUN", "oven": "NOUN"}
TINY = {"hidden_size": 4, "word_size": 4, "char_size": 2, "epochs": 1, "quiet": True}


def sentences(count, *words):
    return [Sentence(words, tuple(WORDS[word] for word in words))] * count


def test_dev_and_test_are_measured_whole():
    parts = sentences(8, "the", "baker"), sentences(3, "the", "old"), sentences(2, "the", "oven")
    found = list(tagging.rows("case", *parts, TINY))
    assert [(row.case, row.unit) for row in found] == [
        ("case, dev", "%"), ("case, test", "%"), ("case", "min"),
    ]  # fmt: skip
    # Of the baseline: "old" and "oven" are unknown; "DET" is the most frequent tag's first.
    assert [row.peer_value for row in found] == [50, 50, None]
    assert all(0 <= row.value <= 100 for row in found)
