"""Sequences given as arrays, and what of them is refused."""

import numpy as np
import pytest

from recurra.data.signals import as_steps, check_widths, read_arrays
from recurra.errors import DataError


def test_steps_are_float32_with_nan_for_what_is_missing():
    np.testing.assert_array_equal(as_steps([[1, None], [2.5, 3]], "a"), [[1, np.nan], [2.5, 3]])
    assert as_steps(np.arange(3), "a").shape == (3, 1)
    assert as_steps([[True], [False]], "a").dtype == np.float32


REFUSED = {
    "no steps": ([], r"has no steps; a sequence has one or more"),
    "no channels": (np.zeros((3, 0)), "has no channels"),
    "ragged": ([[1, 2], [3]], "its steps have unequal widths"),
    "texts": ([["a"]], "holds <U1, not numbers"),
    "objects": ([[1.0], [object()]], "it holds what is no number"),
    "three sides": (np.zeros((2, 3, 4)), r"has the shape \(2, 3, 4\)\. .* it takes \(T, F\)"),
    "infinite": ([[0.0, 1.0], [0.0, np.inf]], "step 1, channel 1 is inf"),
    "too large": (np.array([[1e39]]), "step 0, channel 0 is 1e\\+39, which float32 cannot hold"),
    "complex": (np.array([[1j]]), "Complex data not supported"),
}


@pytest.mark.parametrize("harm", REFUSED)
def test_what_is_no_sequence_is_refused(harm):
    raw, message = REFUSED[harm]
    with pytest.raises(DataError, match=f"^X\\[3\\]: {message}"):
        as_steps(raw, "X[3]")


def test_those_of_another_width_are_named():
    with pytest.raises(DataError, match=r"b has 3, d has 1; the other 2 have 2"):
        check_widths([2, 3, 2, 1], ["a", "b", "c", "d"], None)
    with pytest.raises(DataError, match=r"a has 2; the model learned from 1 \(x\)"):
        check_widths([2], ["a"], ("x",))
    check_widths([2, 2], ["a", "b"], ("x", "y"))


def test_answers_and_sequences_come_in_pairs():
    x = [np.zeros((2, 1)), np.zeros((3, 1))]
    source = read_arrays(x, np.array([1, 0]), ["g", "h"])
    assert [(raw.name, raw.answer, raw.group) for raw in source.raws] == [
        ("0", 1, "g"),
        ("1", 0, "h"),
    ]
    with pytest.raises(DataError, match="2 sequences and 3 labels"):
        read_arrays(x, [1, 2, 3])
    with pytest.raises(DataError, match="2 sequences and 1 groups"):
        read_arrays(x, [1, 2], ["g"])
    with pytest.raises(DataError, match="has no sequences"):
        read_arrays([])
    with pytest.raises(DataError, match="X is a str"):
        read_arrays("abc")
    with pytest.raises(DataError, match=r"y\[0\] is one int; --per-step takes a list"):
        read_arrays(x, [1, 0], per_step=True)
