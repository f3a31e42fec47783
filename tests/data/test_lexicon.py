"""Text as words, words as numbers."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import Lexicon, split_words
from recurra.errors import DataError, OptionError

TEXTS = {
    "It's great-ish, 3.5 stars!!": ["it's", "great-ish", ",", "3.5", "stars", "!!"],
    "do n't 'quote' 's me": ["do", "n't", "'", "quote", "'", "'s", "me"],
    "1,000.50€ (10%)": ["1,000.50", "€", "(", "10", "%", ")"],
    "今日は Tokyo": ["今", "日", "は", "tokyo"],
    "Cafe\u0301 naïve": ["café", "naïve"],
    "so... :-) 👍👍": ["so", "...", ":", "-", ")", "👍👍"],
    "  \n\t": [],
    "": [],
}


@pytest.mark.parametrize("text", TEXTS)
def test_words_and_punctuation_apart(text):
    assert split_words(text) == TEXTS[text]


def test_capital_letters_stay_where_they_are_told_apart():
    assert split_words("It IS", lowercase=False) == ["It", "IS"]


@settings(max_examples=30)
@given(st.text())
def test_nothing_but_blanks_is_lost(text):
    plain = unicodedata.normalize("NFC", text)
    assert "".join(split_words(text, lowercase=False)) == "".join(plain.split())


def test_numbers_go_by_frequency_and_then_by_letters():
    lexicon = Lexicon.from_counts({"b": 2, "a": 2, "often": 9, "rare": 1}, min_count=2)
    assert lexicon.words == ("often", "a", "b")
    assert len(lexicon) == 4
    assert lexicon.ids(["b", "rare", "often"]).tolist() == [3, 0, 1]
    assert lexicon.ids([]).dtype == np.int64
    assert "a" in lexicon
    assert "rare" not in lexicon


def test_it_survives_json():
    lexicon = Lexicon(["ä", "😀", "it's"])
    assert Lexicon.from_json(json.loads(json.dumps(lexicon.to_json()))) == lexicon


@pytest.mark.parametrize("found", [None, {}, "ab", ["a", None], ["a", "a"], [""], [["a"]]])
def test_what_is_no_vocabulary_is_told(found):
    with pytest.raises(DataError, match=r"^a vocabulary "):
        Lexicon.from_json(found)


def test_a_count_below_one_is_refused():
    with pytest.raises(OptionError, match="--min-count is 0; it is at least 1"):
        Lexicon.from_counts({"a": 1}, 0)
