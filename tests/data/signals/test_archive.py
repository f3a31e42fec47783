"""Archives of sequences: their parts, and what a damaged or hostile one is told."""

import io
import zipfile

import numpy as np
import pytest

from recurra.data.signals import parts_of, read_archive
from recurra.data.signals.npy import read_npy
from recurra.errors import DataError, MissingFileError, OptionError

X = np.arange(12, dtype=np.float32).reshape(6, 2)
GOOD = {
    "X": X,
    "offsets": np.array([0, 2, 6]),
    "y": np.array([1, 0]),
    "classes": np.array(["no", "yes"]),
}


def written(tmp_path, **arrays):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    return path


def test_offsets_cut_and_classes_name(tmp_path):
    source = read_archive(written(tmp_path, **GOOD, who=np.array(["g", "h"])), group="who")
    np.testing.assert_array_equal(source.raws[1].steps, X[2:])
    assert [raw.answer for raw in source.raws] == ["yes", "no"]
    assert [raw.group for raw in source.raws] == ["g", "h"]
    assert read_archive(written(tmp_path, **GOOD), answered=False).raws[0].answer is None


def test_parts_by_their_endings(tmp_path):
    path = written(
        tmp_path,
        X_train=X,
        X_train_offsets=np.array([0, 6]),
        y_train=np.array(["u"]),
        x_test=np.zeros((3, 4, 2)),
        y_test=np.array(["u", "v", "w"]),
    )
    assert parts_of(path) == ("train", "test")
    source = read_archive(path)
    assert len(source.raws) == 1
    assert source.facts == ('read: the part "train"; not read: test',)
    assert [raw.answer for raw in read_archive(path, part="test").raws] == ["u", "v", "w"]
    with pytest.raises(OptionError, match='--part "valid": no such part; it has train, test'):
        read_archive(path, part="valid")


def test_labels_and_times_of_steps(tmp_path):
    arrays = {**GOOD, "y": np.arange(6) % 2, "times": np.array([0, 3, 0, 1, 2, 9.0])}
    source = read_archive(written(tmp_path, **arrays), per_step=True)
    assert source.raws[1].answer == ["no", "yes", "no", "yes"]
    assert source.raws[1].times.tolist() == [0, 1, 2, 9]
    with pytest.raises(DataError, match="2 sequences and 6 labels; --per-step takes"):
        read_archive(written(tmp_path, **arrays))
    arrays["times"] = np.zeros(6)
    with pytest.raises(DataError, match="times of sequence 0 does not grow"):
        read_archive(written(tmp_path, **arrays), per_step=True)


def test_steps_of_joints_are_told(tmp_path):
    source = read_archive(written(tmp_path, **{**GOOD, "X": np.zeros((6, 5, 2))}))
    assert source.kind == "joints"
    assert source.facts == ("steps of 5 × 2 numbers are joints",)


HARM = {
    "no X": ({"X": None}, "a.npz: holds offsets, y, classes; it takes X"),
    "no offsets": ({"offsets": None}, r"no offsets say where sequences begin"),
    "text": ({"X": np.array([["a"]])}, "it takes numbers"),
    "short offsets": ({"offsets": np.array([0, 2, 5])}, "goes from 0 to 5; it takes 0 to the 6"),
    "falling": ({"offsets": np.array([0, 7, 6])}, "entry 2 is below the one before"),
    "wrapped": ({"offsets": np.array([0, 2**63 + 1, 6], np.uint64)}, "entry 1 is below"),
    "float offsets": ({"offsets": np.array([0.0, 6.0])}, "it takes whole numbers"),
    "class": ({"y": np.array([0, 2])}, r"y\[1\] is 2; there are 2 classes"),
    "no y": ({"y": None}, "y is not there; it takes one label a sequence"),
    "few y": ({"y": np.array([0])}, "2 sequences and 1 labels"),
    "objects": ({"y": np.array([{}, []], object)}, "a.npz: y.npy: holds object; .* no objects"),
}


@pytest.mark.parametrize("harm", HARM)
def test_arrays_that_do_not_fit_are_told(tmp_path, harm):
    change, message = HARM[harm]
    arrays = {name: array for name, array in {**GOOD, **change}.items() if array is not None}
    with pytest.raises(DataError, match=message):
        read_archive(written(tmp_path, **arrays))


def test_a_header_is_not_believed(tmp_path):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 1 << 10)}
    )
    (tmp_path / "a.npy").write_bytes(buffer.getvalue() + b"\0" * 64)
    with pytest.raises(DataError, match="its header promises"):
        read_npy(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "X.npy")
    with pytest.raises(DataError, match=r"a.npz: X.npy: its header promises"):
        read_archive(tmp_path / "a.npz")
    for harm in (b"", b"\x93NUMPY\x01\0\xff\xff", b"\x93NUMPY\x09\0", b"(" * 999):
        (tmp_path / "a.npy").write_bytes(harm)
        with pytest.raises(DataError, match="is no NPY array, or its header is damaged"):
            read_npy(tmp_path / "a.npy")


def said(path):
    try:
        read_archive(path)
    except DataError as error:
        return str(error)
    return ""


def test_damage_anywhere_is_told(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **GOOD)
    whole = path.read_bytes()
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place])
        with pytest.raises(DataError):
            read_archive(path)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        assert "\n" not in said(path)
    with pytest.raises(MissingFileError, match="no such file"):
        read_archive(tmp_path / "b.npz")


def test_arrays_stored_by_columns_are_read(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(X))
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), X)
