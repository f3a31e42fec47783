"""Parts follow each other and are cut where a line ends; a file's parts read as an array's do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import Part, split_tokens, write_tokens
from recurra.errors import DataError, OptionError, UnsupportedError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("split") / "x.npy"


SHARES = st.floats(0, 0.4)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=20, max_size=300), SHARES, SHARES)
def test_parts_are_the_whole_and_a_file_has_the_same(place, ids, valid, test):
    array = np.array(ids, np.uint8)
    tokens = write_tokens(place, [array], "uint8")
    try:
        parts = split_tokens(array, valid, test, (9, None, 8))
    except DataError:
        with pytest.raises(DataError):
            split_tokens(tokens, valid, test, (9, None, 8))
        return
    np.testing.assert_array_equal(np.concatenate(parts), array)
    of_file = split_tokens(tokens, valid, test, (9, None, 8))
    for part, other in zip(parts, of_file, strict=True):
        assert len(part) == len(other)
        np.testing.assert_array_equal(other[:], part)
        assert np.shares_memory(part, array) or not len(part)
    assert abs(len(parts.test) - len(ids) * test) <= 0.1 * len(ids) * test + 1


def test_a_part_of_a_file_is_split_without_being_read(place):
    tokens = write_tokens(place, [np.arange(100)], "uint8")
    inner = split_tokens(split_tokens(tokens, 0.5).valid, 0.0, 0.5)
    assert isinstance(inner.test, Part)
    np.testing.assert_array_equal(inner.train[:], np.arange(50, 75))
    np.testing.assert_array_equal(inner.test[:], np.arange(75, 100))


def test_a_cut_goes_to_the_end_that_is_near():
    ids = np.ones(1000, np.uint8)
    ids[[700, 895, 909]] = 7
    assert len(split_tokens(ids, 0.1, ends=(7,)).train) == 896
    ids[[892, 893]] = 8
    assert len(split_tokens(ids, 0.1, ends=(8, 7)).train) == 894
    assert len(split_tokens(ids, 0.1, ends=(6, 7)).train) == 896
    assert len(split_tokens(ids, 0.1, ends=(None,)).train) == 900


def test_shares_are_kept_where_no_end_is_near():
    parts = split_tokens(np.arange(1000), 0.1, 0.05, (3, 500))
    assert [len(part) for part in parts] == [850, 100, 50]
    assert [len(part) for part in split_tokens(np.arange(10), 0.0, 0.0)] == [10, 0, 0]
    assert [len(part) for part in split_tokens(np.arange(10), 0.0, 0.2)] == [8, 0, 2]


def test_slices_of_a_part_stay_within_it(place):
    tokens = write_tokens(place, [np.arange(100)], "uint8")
    part = Part(tokens, 10, 30)
    assert part.dtype == np.uint8
    assert part[:3].tolist() == [10, 11, 12]
    assert part[-2:].tolist() == [28, 29]
    with pytest.raises(DataError, match=r"no ids \[5:21\]; it holds 20"):
        part[5:21]
    with pytest.raises(UnsupportedError, match=r"got \[3\]"):
        part[3]
    with pytest.raises(TypeError):
        iter(part)


@pytest.mark.parametrize("shares", [(-0.1, 0.0), (0.5, 0.5), (0.0, 1.0), (float("nan"), 0.0)])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(OptionError, match="less than 1 together"):
        split_tokens(np.arange(100), *shares)


@pytest.mark.parametrize(
    ("count", "shares", "said"),
    [
        (15, (0.1, 0.0), "leave 1 to validate"),
        (3, (0.5, 0.0), "leave 1 to"),
        (10, (0.2, 0.1), "1 to test"),
    ],
)
def test_parts_of_fewer_than_two_tokens_are_refused(count, shares, said):
    with pytest.raises(DataError, match=f"split: {count} tokens .*{said}"):
        split_tokens(np.arange(count), *shares)
