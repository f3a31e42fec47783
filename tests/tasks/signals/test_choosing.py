"""What is chosen from the data: the place of a step where sequences are cut alike."""

import numpy as np
import pytest

from recurra.data.signals import Sequences
from recurra.tasks import SequenceClassifier
from recurra.tasks.signals.choosing import PLACES, choose, told


def chosen(lengths, **fields):
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    values = np.zeros((offsets[-1], 2), np.float32)
    sequences = Sequences(values, offsets, ("a", "b"), tuple(map(str, lengths)))
    wishes = SequenceClassifier(**fields)._wishes()
    return choose(wishes, sequences, len(lengths), outputs=2, per_step=False, strands=None).setting


@pytest.mark.parametrize(
    ("lengths", "fields", "places"),
    [
        ([6, 6, 6], {}, PLACES),
        ([6, 6, 6], {"places": 0}, 0),
        ([6, 6, 6], {"one_way": True}, 0),
        ([6, 5, 6], {}, 0),
        ([6, 5, 6], {"places": 2}, 2),
        ([1, 1], {}, 0),
    ],
)
def test_steps_have_a_place_where_sequences_are_as_long(lengths, fields, places):
    setting = chosen(lengths, **fields)
    assert (setting.places, setting.longest) == (places, max([1, *lengths]))
    assert ("the place of each step" in told(setting)) == (places > 0)


@pytest.mark.parametrize(("strands", "found"), [("both", (3, 2, 1, 0)), ("one", None)])
def test_dna_is_read_from_both_strands_unless_one_is_asked_for(strands, found):
    letters = ["ACGT" * 2, "AAGG" * 2] * 10
    fields = {"strands": strands, "quiet": True}
    lesson = SequenceClassifier(**fields)._prepared((letters, list("ab") * 10), None)
    assert lesson.setting.strands == found
