"""Scores of answers beside those counted by hand and those of sacrebleu's own command."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.errors import MissingPackageError
from recurra.tasks.rewriting import scores
from recurra.tasks.rewriting.scores import bleu, character_errors, chrf, distance, exact

ANSWERS = ["the cat sat on the mat .", "Hello, world!", "a b c d e"]
REFERENCES = ["the cat sat on a mat .", "Hello, world!", "a b c d f"]


def test_bleu_is_of_the_whole_corpus():
    # Matches of n words by those said, n = 1 … 4; "Hello, world!" are four tokens.
    matches, said = (14, 10, 6, 3), (16, 13, 10, 7)
    by_hand = 1.0
    for right, number in zip(matches, said, strict=True):
        by_hand *= right / number
    found = bleu(ANSWERS, REFERENCES)
    assert found.value == pytest.approx(100 * by_hand**0.25)
    assert "|case:mixed|" in found.signature
    assert "|tok:13a|" in found.signature
    assert bleu(REFERENCES, REFERENCES).value == pytest.approx(100)
    assert bleu([each.upper() for each in ANSWERS], REFERENCES).value < 30
    assert bleu([], []) == (0, "")


def test_chrf_sees_parts_of_words():
    near, far = chrf(["walking"], ["walked"]), chrf(["zzz"], ["walked"])
    assert 30 < near.value < 100
    assert far.value == 0
    assert "nc:6" in near.signature


def test_exact_counts_whole_answers():
    assert exact(["a", " b ", "c"], ["a", "b", "C"]) == pytest.approx(200 / 3)
    assert exact([], []) == 0


def test_character_errors_are_of_the_characters_of_the_references():
    assert character_errors(["kitten", "ab"], ["sitting", "ab"]) == pytest.approx(100 * 3 / 9)
    assert character_errors(["abcdef"], ["a"]) == 500
    assert character_errors([], []) == 0


def test_lists_of_unequal_length_are_refused():
    for score in (bleu, chrf, exact, character_errors):
        with pytest.raises(ValueError, match=r"shorter|longer|2 references"):
            score(["a"], ["a", "b"])


def slow(one, other):
    if not one or not other:
        return len(one) + len(other)
    ways = [
        slow(one[:-1], other) + 1,
        slow(one, other[:-1]) + 1,
        slow(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    return min(ways)


@given(st.text("ab日", max_size=5), st.text("ab日", max_size=5))
def test_a_distance_is_the_fewest_changes(one, other):
    assert distance(one, other) == slow(one, other)


def test_without_sacrebleu_bleu_says_what_to_install(monkeypatch):
    monkeypatch.setattr(scores, "find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'recurra\[text\]'"):
        bleu(ANSWERS, REFERENCES)
    assert exact(ANSWERS, ANSWERS) == 100
