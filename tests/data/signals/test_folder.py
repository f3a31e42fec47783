"""Folders of files: labels by folder or apart, and no way out."""

import pytest

from recurra.data.signals.apart import match, read_apart
from recurra.data.signals.folder import of_kind, read_folder
from recurra.data.signals.source import Raw
from recurra.errors import DataError, MissingFileError, OptionError


def made(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n2\n")
    return folder


def test_folders_are_labels(tmp_path):
    made(tmp_path, "walk/2.csv", "walk/1.csv", "run/1.csv", ".hidden/a", "run/.b", "notes.md")
    entries, apart = read_folder(tmp_path)
    found, facts = of_kind(entries, (".csv",), tmp_path)
    assert [(entry.name, entry.label) for entry in found] == [
        ("run/1.csv", "run"),
        ("walk/1.csv", "walk"),
        ("walk/2.csv", "walk"),
    ]
    assert apart is None
    assert facts == ('not read: "notes.md"',)
    with pytest.raises(DataError, match=r"no file ends in .wav; it holds 1 .md, 3 .csv"):
        of_kind(entries, (".wav",), tmp_path)


def test_labels_apart_take_the_place_of_folders(tmp_path):
    made(tmp_path, "1.csv", "in/2.csv")
    (tmp_path / "labels.csv").write_text("file,label\n1.csv,a\n2,b\n")
    entries, apart = read_folder(tmp_path)
    assert [(entry.name, entry.label) for entry in entries] == [
        ("1.csv", None),
        ("in/2.csv", None),
    ]
    raws = [Raw(entry.name, entry.name, None) for entry in entries]
    given = read_apart(apart, None, None, None)
    assert [raw.answer for raw in match(raws, given, "f", set())] == ["a", "b"]


def test_no_link_leads_out(tmp_path):
    made(tmp_path / "out", "secret.csv")
    made(tmp_path / "in", "a/1.csv")
    (tmp_path / "in" / "a" / "2.csv").symlink_to(tmp_path / "in" / "a" / "1.csv")
    assert len(read_folder(tmp_path / "in")[0]) == 2
    link = tmp_path / "in" / "a" / "3.csv"
    link.symlink_to(tmp_path / "out" / "secret.csv")
    with pytest.raises(DataError, match=r"a/3.csv leads out of the folder"):
        read_folder(tmp_path / "in")
    link.unlink()
    (tmp_path / "in" / "b").symlink_to(tmp_path / "out", target_is_directory=True)
    with pytest.raises(DataError, match="b leads out of the folder"):
        read_folder(tmp_path / "in")


def test_folders_that_do_not_fit_are_told(tmp_path):
    with pytest.raises(MissingFileError, match="no such folder"):
        read_folder(tmp_path / "a")
    with pytest.raises(DataError, match="holds no file"):
        read_folder(tmp_path)
    made(tmp_path, "a/1.csv")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="b is empty: a label without an example"):
        read_folder(tmp_path)
    made(tmp_path, "b/deep/1.csv")
    with pytest.raises(DataError, match="b/deep is a folder inside that of a label"):
        read_folder(tmp_path)
    made(tmp_path / "c", "x/1.csv", "2.csv")
    with pytest.raises(DataError, match=r'"2.csv" without a label, beside folders'):
        of_kind(read_folder(tmp_path / "c")[0], (".csv",), tmp_path / "c")


APART = {
    "twice": ("id,label\na,1\na,2\n", '"a" stands in two rows'),
    "no name": ("id,label\na,1\n,2\n", "row 3: has no name"),
    "unclear": ("id,u,v\na,1,2\n", "none is clearly the label; say which with --label"),
    "lacking": ("id,label\na,1\n", 'no label for "b" of f; add it there'),
    "spare": ("id,label\na,1\nb,1\nc,1\nd,2\n", 'labels for "c", "d", and no such example in f'),
}


@pytest.mark.parametrize("harm", APART)
def test_labels_apart_that_do_not_fit_are_told(tmp_path, harm):
    content, message = APART[harm]
    (tmp_path / "l.csv").write_text(content)
    raws = [Raw(name, name, None) for name in "ab"]
    with pytest.raises(DataError, match=f"^l.csv: .*{message}"):
        match(raws, read_apart(tmp_path / "l.csv", None, None, None), "f", set())


def test_labels_and_groups_are_taken_by_column(tmp_path):
    (tmp_path / "l.csv").write_text("file,digit,who\na,7,g\nb,8,h\n")
    given = read_apart(tmp_path / "l.csv", None, "digit", "who")
    raws = match([Raw("b", "b", None)], given, "f", {"a"})
    assert [(raw.answer, raw.group) for raw in raws] == [(8, "h")]
    with pytest.raises(OptionError, match='--label "word": no such column; columns: file, digit'):
        read_apart(tmp_path / "l.csv", None, "word", None)
