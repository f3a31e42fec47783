"""Texts as tokens of two sides and back, what is copied, and batches of them."""

import json

import numpy as np
import pytest

from recurra.data import read_pairs
from recurra.errors import DataError, OptionError
from recurra.tasks.rewriting.batch import by_length, code
from recurra.tasks.rewriting.sides import MARGIN, Sides, fit_sides

PAIRS = read_pairs([("ein Hund .", "a dog ."), ("Hund Hund", "dog dog"), ("ein ein", "a a")])


@pytest.fixture(scope="module")
def joint():
    return fit_sides(PAIRS, size=300)


@pytest.fixture(scope="module")
def copying():
    return fit_sides(read_pairs([("abba", "ab"), ("baab", "bax")]), kind="characters", copies=True)


def test_a_word_is_the_same_piece_wherever_it_stands(joint):
    first, second = (joint.read(text).ids.tolist() for text in (" Hund ein ", "ein Hund"))
    assert first == second[::-1]
    assert joint.names(first) == (" Hund", " ein")
    assert joint.source_names("ein Hund") == (" ein", " Hund")
    assert joint.text(first) == "Hund ein"
    assert joint.text([]) == ""


def test_an_answer_is_its_tokens_and_an_end(joint):
    ids = joint.answer("a dog ,")
    assert ids[-1] == joint.end == len(joint.target) - 1
    assert joint.end not in ids[:-1]
    assert joint.text(ids[:-1].tolist()) == "a dog ,"


def test_vocabularies_are_joint_or_separate(joint):
    assert joint.joint
    apart = fit_sides(PAIRS, joint=False, size=300)
    assert not apart.joint
    assert len(apart.read("Hund").ids) == 1 < len(apart.answer("Hund")) - 1
    for kind in ("bpe", "characters"):
        with pytest.raises(OptionError, match="--copy takes one vocabulary for both sides"):
            fit_sides(PAIRS, kind=kind, joint=False, copies=True)


def test_characters_stand_as_they_are():
    sides = fit_sides(read_pairs([(" a\n", "b ")]), kind="characters")
    assert sides.text(sides.read(" a\n ").ids.tolist()) == " a\n "
    assert sides.source_names("a\n?") == ("a", "\\n", "?")
    assert sides.read("?a").copied.tolist() == sides.read("?a").ids.tolist()
    assert sides.text(sides.read("?a").ids.tolist()) == "\ufffda"


def test_characters_that_the_source_alone_has_are_copied(copying):
    V = len(copying.target)
    read = copying.read("aéb日é")
    assert read.strange == "é日"
    unknown = copying.source.unknown
    assert [place for place, each in enumerate(read.ids) if each == unknown] == [1, 3, 4]
    assert read.copied[[1, 3, 4]].tolist() == [V, V + 1, V]
    assert read.copied[[0, 2]].tolist() == read.ids[[0, 2]].tolist()
    said = copying.answer("日xü", read.strange).tolist()
    assert said == [V + 1, *copying.answer("xü").tolist()]
    assert said[2] == unknown
    assert copying.text([V + 1, V, *said[1:2]], read.strange) == "日éx"
    assert copying.names([V, V + 2], read.strange) == ("é", "\ufffd")


def test_rare_characters_are_unknown_where_that_is_asked_for():
    pairs = read_pairs([("aab", "a"), ("ac", "aa")])
    sides = fit_sides(pairs, kind="characters", min_count=2, copies=True)
    coded = code(sides, pairs.sources, pairs.targets)
    assert sides.target.characters == "a\ufffd"
    assert coded.strange == ("b", "c")


def test_every_target_fits_within_the_limit():
    pairs = read_pairs([("ab", "x" * 60), ("abc", "xyz")])
    sides = fit_sides(pairs, kind="characters")
    assert sides.most(2) == 60
    assert sides.most(1) < 60
    assert fit_sides(PAIRS, size=300).most(7) == 7 + MARGIN


def test_half_a_surrogate_pair_is_told(copying, joint):
    for sides in (copying, joint):
        with pytest.raises(DataError, match="half a surrogate pair, U\\+D800"):
            sides.read("a\ud800")


@pytest.mark.parametrize("kind", ["bpe", "characters"])
@pytest.mark.parametrize("together", [True, False])
def test_sides_come_back_from_json(kind, together):
    sides = fit_sides(PAIRS, kind=kind, joint=together, size=None, copies=together)
    back = Sides.from_json(json.loads(json.dumps(sides.to_json())))
    assert back.to_json() == sides.to_json()
    assert (back.joint, back.copies, back.ratio) == (together, together, sides.ratio)
    assert back.answer("a dog é").tolist() == sides.answer("a dog é").tolist()


DAMAGED = {
    "ratio": [0, -1, 1e9, float("nan"), True, "2", None, 10**400],
    "copies": [1, None, "no"],
    "source": [{}, None, [], {"kind": "bytes"}, {"kind": "characters", "characters": "a"}],
    "target": [{}, [], "a", {"kind": "bytes"}],
    "more": [1],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_was_changed_is_told(copying, name):
    for wrong in DAMAGED[name]:
        with pytest.raises(DataError):
            Sides.from_json(copying.to_json() | {name: wrong})
    apart = fit_sides(PAIRS, kind="characters", joint=False).to_json()
    for wrong in (None, [], apart | {"copies": True}, {"source": apart["source"]}):
        with pytest.raises(DataError):
            Sides.from_json(wrong)


def test_options_that_do_not_fit_are_told():
    with pytest.raises(OptionError, match='--tokens is "words"; what fits is bpe or characters'):
        fit_sides(PAIRS, kind="words")
    with pytest.raises(OptionError, match="--min-count is 0"):
        fit_sides(PAIRS, kind="characters", min_count=0)


def test_batches_are_padded_behind_each_row(copying):
    coded = code(copying, ["abé", "b", "aa"], ["é", "", "ba"])
    rows = np.array([2, 0])
    source, target = coded.source(rows), coded.target(rows)
    a, b, unknown, end = *copying.read("ab").ids, copying.source.unknown, copying.end
    V = len(copying.target)
    assert source.ids.tolist() == [[a, a, 0], [a, b, unknown]]
    assert source.copied.tolist() == [[a, a, 0], [a, b, V]]
    assert source.lengths.tolist() == [2, 3]
    assert target.ids.tolist() == [[b, a, end], [V, end, -1]]
    assert target.lengths.tolist() == [3, 2]
    assert coded.lengths.tolist() == [5, 2, 5]


def test_texts_without_answers_have_none(joint):
    coded = code(joint, ["ein Hund"])
    assert coded.source(np.array([0])).copied is None
    with pytest.raises(ValueError, match="no targets"):
        coded.target(np.array([0]))
    assert code(joint, []).lengths.tolist() == []


def test_rows_go_by_length_within_limits():
    found = [rows.tolist() for rows in by_length(np.array([3, 9, 1, 4, 20, 2]), 2, 10)]
    assert found == [[4], [1], [3, 0], [5, 2]]
