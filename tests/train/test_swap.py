"""Two folders change places in one move."""

import pytest

from recurra.train.swap import swap


def test_both_are_whole_afterwards(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    assert swap(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one" / "file").read_text() == "other"
    assert (tmp_path / "other" / "file").read_text() == "one"


def test_what_is_missing_is_an_error(tmp_path):
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError, match="other"):
        swap(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one").is_dir()
