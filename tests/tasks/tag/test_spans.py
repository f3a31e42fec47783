"""Entities as tags: what a span is, what schemes never write."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.tasks.tag.measure import scores
from recurra.tasks.tag.spans import Span, is_entities, kept, rules, spans

IOB2 = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
BIOES = ("B-X", "E-X", "I-X", "O", "S-X")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-PER I-PER O B-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("B-PER B-PER I-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        ("I-PER I-PER O I-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("I-PER B-PER I-LOC", [(0, 1, "PER"), (1, 2, "PER"), (2, 3, "LOC")]),
        ("B-PER I-LOC O", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("S-X B-X I-X E-X O S-X", [(0, 1, "X"), (1, 4, "X"), (5, 6, "X")]),
        ("U-X B-X L-X U-X", [(0, 1, "X"), (1, 3, "X"), (3, 4, "X")]),
        ("E-X E-X I-X O", [(0, 1, "X"), (1, 2, "X"), (2, 3, "X")]),
        ("O O", []),
        ("", []),
    ],
)
def test_spans_are_counted_as_conlleval_does(tags, expected):
    assert spans(tags.split()) == [Span(*span) for span in expected]


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "PER", "LOC"])), max_size=8))
def test_each_scheme_gives_back_what_was_written(pieces):
    expected, written, at = [], {"iob1": [], "iob2": [], "bioes": []}, 0
    before = ""
    for length, kind in pieces:
        if not kind:
            for tags in written.values():
                tags += ["O"] * length
        else:
            expected.append(Span(at, at + length, kind))
            inside = [f"I-{kind}"] * length
            written["iob1"] += [f"B-{kind}", *inside[1:]] if before == kind else inside
            written["iob2"] += [f"B-{kind}", *inside[1:]]
            middle = [f"B-{kind}", *inside[2:], f"E-{kind}"]
            written["bioes"] += [f"S-{kind}"] if length == 1 else middle
        at, before = at + length, kind
    for tags in written.values():
        assert spans(tags) == expected


def test_which_tags_are_of_entities():
    assert is_entities(IOB2)
    assert is_entities(["U-X", "L-X", "O"])
    for tags in (["NOUN", "VERB"], ["O"], [], ["B-PER", "X"], ["B-"], ["NP-B", "O"]):
        assert not is_entities(tags)


@pytest.mark.parametrize("tags", [IOB2, BIOES])
def test_rules_allow_what_is_written_and_nothing_else(tags):
    found = rules(tags)

    def written(path):
        """Whether writing what was read gives the same tags."""
        again = ["O"] * len(path)
        for begin, end, kind in spans(path):
            again[begin:end] = [f"I-{kind}"] * (end - begin)
            again[begin] = f"B-{kind}"
            if tags is BIOES:
                again[end - 1] = f"E-{kind}" if end - begin > 1 else f"S-{kind}"
        return list(path) == again

    for length in (1, 2, 3):
        for path in itertools.product(tags, repeat=length):
            assert kept(found, tags, [path]) == written(path), path


def test_iob1_keeps_to_no_rules():
    found = rules(IOB2)
    assert kept(found, IOB2, [["B-PER", "I-PER", "O"]])
    assert not kept(found, IOB2, [["O", "O"], ["O", "I-PER"]])
    assert isinstance(found.forbidden, np.ndarray)


def test_scores_of_entities():
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    given = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "B-LOC"]]
    found = scores(true, given, entities=True)
    assert found == pytest.approx(
        {"accuracy": 4 / 6, "f1": 4 / 7, "precision": 2 / 4, "recall": 2 / 3}
    )
    assert scores(true, given, entities=False) == {"accuracy": pytest.approx(4 / 6)}
    assert scores([["O"]], [["O"]], entities=True)["f1"] == 0
