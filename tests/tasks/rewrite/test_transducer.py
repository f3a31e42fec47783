"""What a transducer learns, copies and names."""

import pytest

from recurra.errors import DataError
from recurra.tasks import Transducer
from recurra.tasks.rewriting.looks import END
from recurra.tasks.rewriting.measure import COPY, MEMORY

TINY = {"hidden_size": 4, "embedding_size": 2, "epochs": 1, "beam": 1, "quiet": True}
LETTERS = "abcdefgh"
PAIRS = [(f"{a}{b}", f"{b}{a}") for a in LETTERS for b in LETTERS]


@pytest.fixture(scope="module")
def learned():
    """Turns two letters around; learned in a second."""
    fields = {"hidden_size": 32, "embedding_size": 16, "dropout": 0.0, "batch_tokens": 100}
    transducer = Transducer(
        cell="gru", epochs=14, patience=14, learning_rate=2e-2, quiet=True, **fields
    )
    return transducer.fit(PAIRS[::3] + PAIRS[1::3], PAIRS[2::3])


def test_it_learns_what_no_example_says(learned):
    exact = learned.measures_.metrics["exact"]
    assert exact > 80
    assert exact > 10 + max(row["exact"] for row in learned.measures_.baselines.values())
    assert learned.measures_.verdict.startswith("the model wins: exact % ")
    assert learned.predict(["ab", "hg"])["target"].tolist() == ["ba", "gh"]


def test_its_measures_are_those_of_its_answers(learned):
    held = PAIRS[2::3][-10:]
    found = learned.measure(held)
    answers = learned.predict([source for source, _ in held])["target"]
    right = [a == target for a, (_, target) in zip(answers, held, strict=True)]
    assert found.metrics["exact"] == pytest.approx(100 * sum(right) / len(right))
    assert list(found.metrics) == ["exact", "character_errors", "nats"]
    assert set(found.baselines) == {COPY, MEMORY}
    same = sum(source == target for source, target in held)
    assert found.baselines[COPY]["exact"] == pytest.approx(100 * same / len(held))


def test_characters_that_nobody_has_seen_are_read_and_may_be_said(learned):
    answer = learned.predict(["aé"])["target"][0]
    assert "�" not in answer
    sides = learned.learned_.sides
    assert sides.text(sides.answer("éa", "é")[:-1].tolist(), "é") == "éa"
    assert learned.learned_.looks("aé", "éa")[:2] == (("a", "é"), ("é", "a", END))


def test_without_copying_they_are_named():
    transducer = Transducer(**TINY, copy="no").fit(PAIRS)
    with pytest.raises(
        DataError, match=r"texts: text 2: 'é' \(U\+00E9\) at character 1 was never learne"
    ):
        transducer.predict(["ab", "aéz"])
    assert transducer.measure([("aé", "b")]).metrics["nats"] > 0


def test_rare_characters_are_taken_for_unknown_when_wished():
    rare = [*PAIRS, ("xa", "ax")]
    known = [Transducer(**TINY, min_count=n)._prepared(rare, PAIRS).sides.source for n in (1, 3)]
    assert len(known[0]) == len(known[1]) + 1
