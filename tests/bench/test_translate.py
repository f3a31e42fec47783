"""The bench of rewriting says what it measured."""

import pytest
from bench.rewriting import Case, rewritten
from bench.rewriting_data import names_in_sentences, reversed_strings

from bench import rewriting

SMALL = {"epochs": 1, "hidden_size": 8, "embedding_size": 4, "quiet": True}


def unseen(count: int, seed: int) -> list[tuple[str, str]]:
    return names_in_sentences(count, seed, unseen=True)


def rows(monkeypatch: pytest.MonkeyPatch, case: Case) -> dict[str, rewriting.Row]:
    monkeypatch.setattr(rewriting, "ASKED", 8)
    monkeypatch.setitem(rewriting.CASES, "small", case)
    return {row.metric: row for row in rewritten("small", 0)}


def test_reversing_is_measured_beside_a_baseline_and_by_where_it_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = rows(monkeypatch, Case(reversed_strings, 40, {**SMALL, "copy": "no"}))
    assert found["exact"].peer is not None
    assert 0 <= found["looks within 1 place"].value <= 100
    assert found["minutes of the whole fit"].value > 0


def test_names_that_nobody_learned_are_looked_for_in_the_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = rows(monkeypatch, Case(names_in_sentences, 40, SMALL, unseen))
    assert 0 <= found["unseen names said"].value <= 100


def test_strange_words_are_those_with_letters_beyond_ascii() -> None:
    assert rewriting._strange("hello ka\u00e5lo and mi") == ["ka\u00e5lo"]
