"""Letters of DNA: files, numbers, and the other strand."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.signals.genome import (
    k_mers,
    one_hot,
    other_strand,
    read_fasta,
    reverse_complement,
)
from recurra.errors import DataError


def test_records_are_read_plain_and_packed(tmp_path):
    text = "\n>p1 promoter\nACG\ntn\n\n; said\n>p2\nGG GG\n"
    (tmp_path / "a.fa").write_text(text)
    (tmp_path / "a.fa.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.fa", "a.fa.gz"):
        assert read_fasta(tmp_path / name) == [
            ("p1", "promoter", "ACGtn"),
            ("p2", "", "GGGG"),
        ]


HARM = {
    "a letter": (">p1\nACG\nTXA\n", r"a.fa: p1: letter 5 is \"X\"; it takes A, C, G, T"),
    "no header": ("ACGT\n", 'line 1: "ACGT" before any header'),
    "no name": (">\nACGT\n", "line 1: a record without a name"),
    "no letters": (">p1\n>p2\nA\n", "p1: has no letters"),
    "nothing": ("", "has no record"),
    "binary": (b"\xff\xfe>", "cannot be read as FASTA"),
}


@pytest.mark.parametrize("harm", HARM)
def test_files_that_do_not_fit_are_told(tmp_path, harm):
    content, message = HARM[harm]
    path = tmp_path / "a.fa"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        read_fasta(path)


def test_letters_are_one_of_four_and_n_a_quarter_of_each():
    np.testing.assert_array_equal(
        one_hot("AtN", "a"), [[1, 0, 0, 0], [0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25]]
    )
    pairs = one_hot("ACG", "a", 2)
    assert [k_mers(2)[place] for place in pairs.argmax(axis=1)] == ["AC", "CG"]
    np.testing.assert_array_equal(one_hot("AN", "a", 2)[0, :4], [0.25] * 4)
    with pytest.raises(DataError, match="a: has 2 letters; k-mers of 3 need 3"):
        one_hot("AC", "a", 3)
    with pytest.raises(DataError, match="a: letter 1 is"):
        one_hot("é", "a")
    with pytest.raises(DataError, match="is a int, not letters"):
        one_hot(5, "a")


@settings(max_examples=25)
@given(st.text("ACGTN", min_size=3, max_size=20), st.integers(1, 3))
def test_the_other_strand_is_the_reverse_complement(letters, k):
    steps = one_hot(letters, "a", k)
    other = one_hot(reverse_complement(letters), "a", k)
    np.testing.assert_array_equal(steps[::-1][:, other_strand(k)], other)
    assert reverse_complement(reverse_complement(letters)) == letters
