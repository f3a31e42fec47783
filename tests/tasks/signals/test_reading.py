"""One door for arrays, tables, archives, folders and files."""

import numpy as np
import pandas as pd
import pytest

from recurra.data.signals import Header, check_classes
from recurra.errors import DataError, MissingFileError, OptionError
from recurra.tasks.signals.fronts import FRONTS
from recurra.tasks.signals.reading import Reading, read_examples

X = [np.array([[0.0, 1], [2, 3]]), np.array([[4.0, 5], [6, 7], [np.nan, 9]])]
Y = ["no", "yes"]
LONG = pd.DataFrame(np.concatenate(X), columns=["u", "v"]).assign(
    id=list("aabbb"), label=["no"] * 2 + ["yes"] * 3
)


def archive(folder):
    path = folder / "a.npz"
    np.savez(path, X=np.concatenate(X), offsets=np.array([0, 2, 5]), y=np.array(Y))
    return path


def csv(folder):
    LONG.to_csv(folder / "a.csv.gz", index=False)
    return folder / "a.csv.gz"


def files(folder, ending="csv"):
    for steps, label in zip(X, Y, strict=True):
        place = folder / "data" / label
        place.mkdir(parents=True)
        if ending == "npy":
            np.save(place / "1.npy", steps)
        else:
            pd.DataFrame(steps, columns=["u", "v"]).to_csv(place / "1.csv", index=False)
    return folder / "data"


SOURCES = {
    "lists": lambda folder: ([one.tolist() for one in X], Y),
    "arrays": lambda folder: (X, np.array(Y)),
    "frame": lambda folder: LONG,
    "frame and labels": lambda folder: (LONG.drop(columns="label"), Y),
    "archive": archive,
    "csv": csv,
    "files": files,
    "npy": lambda folder: files(folder, "npy"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_all_ways_lead_to_the_same(tmp_path, source):
    found, front = read_examples(SOURCES[source](tmp_path))
    sequences = found.sequences
    assert front == FRONTS["numbers"]()
    np.testing.assert_array_equal(sequences.values, np.concatenate(X).astype(np.float32))
    assert sequences.offsets.tolist() == [0, 2, 5]
    assert found.labels == ("no", "yes")
    assert found.targets is None
    assert sequences.channels in (("u", "v"), ("x1", "x2"))
    assert ": 2 sequences of 2 … 3 steps, 2 channels, 2 classes" in found.facts[0]
    assert "10 % of values missing, in 1 of 2 sequences" in found.facts


def test_arrays_of_three_sides_values_and_groups():
    found, _ = read_examples(
        (np.zeros((3, 4, 1)), [1, 2.5, 3], ["g", "g", "h"]), Reading(answers="numbers")
    )
    assert found.targets.tolist() == [1, 2.5, 3]
    assert found.groups == ("g", "g", "h")
    assert "3 sequences of 4 steps, 1 channel, values of 1 … 3, 2 groups" in found.facts[0]
    with pytest.raises(OptionError, match='--group "who": nothing here has columns'):
        read_examples((X, Y), Reading(group="who"))
    bare, _ = read_examples(np.zeros((3, 4, 1)), Reading(answers=None, group="who"))
    assert (bare.labels, bare.targets, len(bare)) == (None, None, 3)


def test_each_step_may_have_a_label_or_a_value():
    reading = Reading(per_step=True)
    found, _ = read_examples((X, [[0, 1], [1, 1, 0]]), reading)
    assert found.labels == ("0", "1", "1", "1", "0")
    assert found.take([1]).labels == ("1", "1", "0")
    with pytest.raises(DataError, match=r"X\[1\]: 2 answers of steps, and numbers makes 3 steps"):
        read_examples((X, [[0, 1], [1, 1]]), reading)
    with pytest.raises(DataError, match=r"X\[0\]: step 1: has no label"):
        read_examples((X, [[0, None], [1, 1, 1]]), reading)


def test_gaps_are_in_the_unit_of_the_training():
    frame = LONG.assign(time=[0, 2, 0, 2, 8.0])
    found, front = read_examples(frame)
    assert found.sequences.unit == 2
    assert found.sequences.gaps.tolist() == [0, 1, 0, 1, 3]
    assert any(fact.startswith("gaps: uneven; the usual one, 2,") for fact in found.facts)
    known = Header.of(found.sequences)
    again, _ = read_examples(frame.iloc[:2], Reading(answers=None), front, known)
    assert again.sequences.gaps.tolist() == [0, 1]
    with pytest.raises(DataError, match="no times, and the model learned with them; --time"):
        read_examples(LONG, Reading(answers=None), front, known)
    even, _ = read_examples(LONG.assign(time=range(5)))
    assert even.sequences.gaps is None


def test_new_data_must_be_like_the_old():
    found, front = read_examples(LONG)
    known, bare = Header.of(found.sequences), Reading(answers=None)
    again, _ = read_examples(LONG[["v", "u", "id"]], bare, front, known)
    np.testing.assert_array_equal(again.sequences.values, found.sequences.values)
    with pytest.raises(DataError, match=r"X\[0\] has 3; the model learned from 2 \(u, v\)"):
        read_examples([np.zeros((2, 3))], bare, front, known)
    with pytest.raises(DataError, match="missing v; the table has u, id, label"):
        read_examples(LONG.drop(columns="v"), bare, front, known)


def test_a_single_file_is_one_sequence(tmp_path):
    (tmp_path / "a.csv").write_text("0;1\n2;3\n")
    (tmp_path / "b.csv").write_text("v,u\n1,0\n3,2\n")
    np.save(tmp_path / "c.npy", X[0])
    known = Header(("u", "v"))
    for name in ("a.csv", "b.csv", "c.npy"):
        found, _ = read_examples(tmp_path / name, Reading(answers=None), known=known)
        assert found.sequences.names == (name[0],)
        np.testing.assert_array_equal(found.sequences.values, X[0])
    both = [tmp_path / "a.csv", tmp_path / "c.npy"]
    assert len(read_examples((both, Y))[0]) == 2


def test_files_that_cannot_be_read_are_named_or_left_out(tmp_path):
    folder = files(tmp_path)
    (folder / "no" / "2.csv").write_text("a\0b")
    with pytest.raises(DataError, match=r"no/2.csv: is no text; .*--skip-bad leaves such files"):
        read_examples(folder)
    found, _ = read_examples(folder, Reading(skip_bad=True))
    assert found.labels == ("no", "yes")
    assert found.facts[-1].startswith("left out: 1 of 3 files, the first: ")
    for path in folder.glob("*/1.csv"):
        path.write_text("")
    with pytest.raises(DataError, match=r"no example can be read; the first: .*1.csv: has no"):
        read_examples(folder, Reading(skip_bad=True))


def test_files_of_other_columns_are_named(tmp_path):
    folder = files(tmp_path)
    (folder / "yes" / "2.csv").write_text("v,u\n1,0\n")
    found, _ = read_examples(folder)
    assert found.sequences.row(2).tolist() == [[0, 1]]
    (folder / "yes" / "3.csv").write_text("v,w\n1,0\n")
    with pytest.raises(DataError, match=r"yes/3.csv: its columns are v, w; those of .*1.csv are u"):
        read_examples(folder)
    (folder / "yes" / "3.csv").write_text("v\n1\n")
    with pytest.raises(DataError, match=r"yes/3.csv has 1; the other 3 have 2"):
        read_examples(folder)


def test_labels_apart_meet_their_examples(tmp_path):
    folder = files(tmp_path)
    (folder / "no" / "1.csv").rename(folder / "a.csv")
    (folder / "yes" / "1.csv").rename(folder / "b.csv")
    for name in Y:
        (folder / name).rmdir()
    (folder / "labels.csv").write_text("file,label,who\na.csv,no,g\nb.csv,yes,h\n")
    found, _ = read_examples(folder, Reading(label="label", group="who"))
    assert (found.labels, found.groups) == (("no", "yes"), ("g", "h"))
    (folder / "b.csv").write_text("")
    skipping = Reading(label="label", group="who", skip_bad=True)
    assert read_examples(folder, skipping)[0].labels == ("no",)
    table = tmp_path / "apart.csv"
    table.write_text("id,rul\nb,2.5\na,1\n")
    wish = Reading(labels=table, answers="numbers")
    assert read_examples(LONG.drop(columns="label"), wish)[0].targets.tolist() == [1, 2.5]


def test_letters_come_from_files_tables_and_lists(tmp_path):
    (tmp_path / "a.fasta").write_text(">p1 yes\nACGT\n>p2 no\nAN\n")
    frame = pd.DataFrame({"label": ["yes", "no"], "letters": ["ACGT", "ANNN"]})
    for data in (tmp_path / "a.fasta", frame, (["ACGT", "AN"], ["yes", "no"])):
        found, front = read_examples(data)
        assert front.kind == "dna"
        assert found.sequences.channels == ("A", "C", "G", "T")
        assert found.labels == ("yes", "no")
    (tmp_path / "l.csv").write_text("id,label\np1,u\np2,v\n")
    reading = Reading(labels=tmp_path / "l.csv", options={"k": 2})
    found, front = read_examples(tmp_path / "a.fasta", reading)
    assert found.labels == ("u", "v")
    assert found.sequences.lengths.tolist() == [3, 1]
    assert len(front.strands(16)) == 16


def test_strokes_and_joints_by_their_kind(tmp_path):
    reading = Reading(kind="strokes", options={"points": 5})
    found, _ = read_examples((X[:1], ["a"]), reading)
    assert found.sequences.channels == ("x", "y", "dx", "dy", "lifted")
    assert found.sequences.lengths.tolist() == [5]
    body = np.random.default_rng(0).normal(size=(7, 3, 2))
    np.savez(tmp_path / "a.npz", X=body, offsets=np.array([0, 3, 7]), y=np.array([0, 1]))
    found, front = read_examples(tmp_path / "a.npz")
    assert front.kind == "joints"
    assert len(found.sequences.channels) == 18
    wider, front = read_examples(
        (list(np.split(body, [3])), [0, 1]), Reading(kind="joints", options={"distances": True})
    )
    assert wider.sequences.channels[-1] == "2 to 3"


REFUSED = {
    "kind": (lambda: Reading(kind="smell"), 'kind is "smell"; what fits is auto, numbers'),
    "answers": (lambda: Reading(answers="x"), 'answers is "x"'),
    "both": (lambda: Reading(per_step=True, labels="a"), "--per-step and --labels contradict"),
    "option": (
        lambda: read_examples((X, Y), Reading(options={"k": 2})),
        "numbers: --k is no option of it; it takes none",
    ),
    "k": (lambda: FRONTS["dna"](k=9), "dna: k is 9; what fits is 1 to 5"),
    "points": (lambda: FRONTS["strokes"](points=1), "strokes: points is 1"),
    "dimensions": (lambda: FRONTS["joints"](dimensions=1), "joints: dimensions is 1"),
}


@pytest.mark.parametrize("harm", REFUSED)
def test_options_that_do_not_fit_are_told(harm):
    run, message = REFUSED[harm]
    with pytest.raises(OptionError, match=message):
        run()


def test_data_that_does_not_fit_is_told(tmp_path):
    with pytest.raises(MissingFileError, match="no such file or folder"):
        read_examples(tmp_path / "a")
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(DataError, match=r"a.doc: no front end reads it; it takes .csv"):
        read_examples(tmp_path / "a.doc")
    (tmp_path / "mixed" / "a").mkdir(parents=True)
    (tmp_path / "mixed" / "a" / "1.csv").write_text("1\n")
    (tmp_path / "mixed" / "a" / "2.fa").write_text(">a\nA\n")
    with pytest.raises(DataError, match=r"several kinds: numbers \(1.csv\) and dna \(2.fa\); --ki"):
        read_examples(tmp_path / "mixed")
    assert len(read_examples(tmp_path / "mixed", Reading(kind="dna"))[0]) == 1
    with pytest.raises(DataError, match="the arrays: no label is given; it takes one for each"):
        read_examples(X)
    with pytest.raises(DataError, match=r'X\[1\]: "a" is no number, and a regression takes one'):
        read_examples((X, [1, "a"]), Reading(answers="numbers"))
    with pytest.raises(DataError, match="one class alone"):
        check_classes(read_examples((X, [1, 1]))[0])
