"""A file appears whole or not at all."""

import os
import stat
import threading

import pytest

from recurra.errors import StorageError
from recurra.train import write_whole


def test_a_new_file_and_its_folder(tmp_path):
    path = tmp_path / "a" / "b.csv"
    write_whole(path, lambda part: part.write_text("new"))
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["b.csv"]


def test_the_mask_decides_who_may_read(tmp_path):
    mask = os.umask(0o027)
    try:
        write_whole(tmp_path / "x", lambda part: part.write_text("x"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_the_ending_stays_while_it_is_written(tmp_path):
    seen = []
    write_whole(tmp_path / "x.png", lambda part: (seen.append(part), part.write_text("x")))
    assert seen[0].suffix == ".png"
    assert seen[0].parent == tmp_path


@pytest.mark.parametrize("blow", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(tmp_path, blow):
    path = tmp_path / "x.csv"
    path.write_text("old")

    def write(part) -> None:
        part.write_text("half")
        raise blow

    kind = KeyboardInterrupt if isinstance(blow, KeyboardInterrupt) else StorageError
    with pytest.raises(kind) as caught:
        write_whole(path, write)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.csv"]
    if kind is StorageError:
        assert str(caught.value) == (
            f"{path}: not written, what was there is unchanged: No space left on device; "
            "make room or choose another place"
        )


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(StorageError, match="not written"):
        write_whole(tmp_path / "x", lambda part: part.write_text("x"))
    assert os.listdir(tmp_path) == ["x"]
    assert os.listdir(tmp_path / "x") == []


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", lambda part: part.write_text("new"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_pipe_is_written_to(tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    write_whole(path, lambda part: part.write_text("through"))
    reader.join()
    assert got == ["through"]
    assert stat.S_ISFIFO(path.stat().st_mode)
