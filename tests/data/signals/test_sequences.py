"""Sequences one behind the other: taking some, and joining parts."""

import numpy as np

from recurra.data.signals import Examples, Sequences, joined


def some(per_step: bool = False) -> Examples:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    gaps = np.array([0, 1, 2, 0, 0, 5], np.float32)
    sequences = Sequences(values, np.array([0, 3, 4, 6]), ("x", "y"), ("a", "b", "c"), gaps)
    labels = tuple("uvwxyz") if per_step else ("no", "yes", "no")
    return Examples(sequences, labels, None, per_step, ("g", "h", "g"))


def test_taken_rows_come_in_the_order_asked_for():
    found = some().take([2, 0])
    assert found.sequences.names == ("c", "a")
    assert found.sequences.lengths.tolist() == [2, 3]
    np.testing.assert_array_equal(found.sequences.row(0), [[8, 9], [10, 11]])
    np.testing.assert_array_equal(found.sequences.gaps_of(1), [0, 1, 2])
    assert found.labels == ("no", "no")
    assert found.groups == ("g", "g")


def test_labels_of_steps_go_with_their_steps():
    assert some(per_step=True).take([2, 1]).labels == ("y", "z", "x")


def test_no_row_is_no_step():
    found = some().take([])
    assert len(found) == 0
    assert found.sequences.values.shape == (0, 2)


def test_joined_parts_are_taken_apart_again():
    whole = some()
    again = joined([whole.take([0]), whole.take([1, 2])])
    np.testing.assert_array_equal(again.sequences.values, whole.sequences.values)
    np.testing.assert_array_equal(again.sequences.gaps, whole.sequences.gaps)
    assert again.sequences.offsets.tolist() == whole.sequences.offsets.tolist()
    assert (again.labels, again.groups) == (whole.labels, whole.groups)
