"""Ids come back as they were written, slices are NumPy's, and no file is believed."""

import copy
import os
import resource
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import Tokens, byte_tokens, read_tokens, token_type, write_tokens
from recurra.errors import (
    DataError,
    MissingFileError,
    OptionError,
    RecurraError,
    StorageError,
    UnsupportedError,
)

TYPES = ["uint8", "uint16", "uint32"]
CHUNKS = st.lists(st.lists(st.integers(0, 255), max_size=20), max_size=6)
EDGES = st.none() | st.integers(-60, 60)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "x.npy"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A file that the examples of a law write one after the other."""
    return tmp_path_factory.mktemp("tokens") / "x.npy"


def ids(count, dtype="uint16"):
    return np.random.default_rng(0).integers(0, 200, count).astype(dtype)


def left_beside(path):
    return [each for each in path.parent.iterdir() if each != path]


@given(CHUNKS, st.sampled_from(TYPES), st.sampled_from([np.int64, np.uint8, np.int16]))
def test_what_is_written_is_read_by_us_and_by_numpy(place, chunks, dtype, given_as):
    whole = np.array([each for chunk in chunks for each in chunk], dtype)
    tokens = write_tokens(place, (np.array(chunk, given_as) for chunk in chunks), dtype)
    for found in (tokens[:], read_tokens(place)[:], np.load(place)):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, whole)
    assert len(tokens) == len(whole)
    assert not left_beside(place)


@pytest.mark.parametrize("dtype", TYPES)
def test_what_numpy_writes_is_read(file, dtype):
    np.save(file, ids(1000, dtype))
    np.testing.assert_array_equal(read_tokens(file)[:], ids(1000, dtype))


def test_a_text_is_its_bytes(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("héllo\n\0", encoding="utf-8")
    tokens = byte_tokens(path)
    assert tokens.dtype == np.uint8
    assert tokens[:].tobytes() == path.read_bytes()
    assert len(tokens) == path.stat().st_size


@given(EDGES, EDGES)
def test_slices_are_those_of_an_array_or_are_refused(place, start, stop):
    array = ids(50)
    tokens = write_tokens(place, [array], "uint16")
    wanted = slice(start, stop)
    inside = all(edge is None or -50 <= edge <= 50 for edge in (start, stop))
    begin, end, _ = wanted.indices(50)
    if inside and begin <= end:
        np.testing.assert_array_equal(tokens[wanted], array[wanted])
        return
    with pytest.raises(DataError, match=r"no ids \[.*\]; it holds 50"):
        tokens[wanted]


def test_what_is_no_slice_is_refused(file):
    tokens = write_tokens(file, [ids(9)], "uint16")
    for wrong, said in [(3, "3"), (slice(0, 4, 2), "0:4:2"), (slice(None, None, -1), "::-1")]:
        with pytest.raises(
            UnsupportedError, match=rf"takes slices such as \[0:100\], got \[{said}\]"
        ):
            tokens[wrong]
    with pytest.raises(TypeError):
        iter(tokens)
    with pytest.raises(TypeError):
        tokens[0.5:2]


def test_edges_may_be_of_any_whole_type(tmp_path):
    path = tmp_path / "x.bin"
    with path.open("wb") as file:
        file.truncate(1 << 32)
    np.save(tmp_path / "x.npy", ids(9))
    begin = np.int32((1 << 31) - 1)
    assert len(byte_tokens(path)[begin : int(begin) + 3]) == 3
    np.testing.assert_array_equal(read_tokens(tmp_path / "x.npy")[np.uint8(3) :], ids(9)[3:])


def test_slices_belong_to_who_asked(file):
    tokens = write_tokens(file, [ids(9)], "uint16")
    tokens[:][:] = 0
    np.testing.assert_array_equal(tokens[:], ids(9))


@pytest.mark.parametrize(
    ("vocab_size", "dtype"),
    [(1, "uint8"), (256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32")],
)
def test_the_type_is_the_smallest(vocab_size, dtype):
    assert token_type(vocab_size) == np.dtype(dtype)


@pytest.mark.parametrize("vocab_size", [0, -1, (1 << 32) + 1])
def test_a_vocabulary_without_a_type_is_refused(vocab_size):
    with pytest.raises(OptionError, match=f"vocab_size is {vocab_size}; it lies in 1 … 4294967296"):
        token_type(vocab_size)


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        ([3, -1], "id -1 at 6; uint8 takes 0 … 255"),
        ([3, 256], "id 256 at 6; uint8 takes 0 … 255"),
        ([[1, 2]], "a chunk is 2-dimensional int64"),
        ([1.0], "a chunk is 1-dimensional float64; it takes one dimension of whole numbers"),
    ],
)
def test_ids_that_do_not_fit_are_refused_and_the_file_stays(file, chunk, said):
    write_tokens(file, [ids(9)], "uint16")
    with pytest.raises(DataError, match=said):
        write_tokens(file, [np.arange(5), np.array(chunk)], "uint8")
    np.testing.assert_array_equal(read_tokens(file)[:], ids(9))
    assert not left_beside(file)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float32"])
def test_other_types_are_refused(file, dtype):
    with pytest.raises(OptionError, match=f"dtype is {dtype}; it is uint8, uint16 or uint32"):
        write_tokens(file, [], dtype)


def test_what_a_producer_raises_is_its_own(file):
    def chunks():
        yield np.arange(5)
        raise MissingFileError("part-2.txt: no such file")

    with pytest.raises(MissingFileError, match=r"part-2\.txt"):
        write_tokens(file, chunks(), "uint8")
    assert not list(file.parent.iterdir())


def test_a_file_system_that_refuses_is_named_and_the_file_stays(file):
    write_tokens(file, [ids(9)], "uint16")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"x\.npy: not written, what was there is unchanged"):
            write_tokens(file, [ids(1 << 20)] * 3, "uint16")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    np.testing.assert_array_equal(read_tokens(file)[:], ids(9))
    assert not left_beside(file)


def test_a_link_stays_a_link(tmp_path):
    link, real = tmp_path / "link.npy", tmp_path / "real.npy"
    link.symlink_to(real)
    write_tokens(link, [ids(9)], "uint16")
    assert link.is_symlink()
    np.testing.assert_array_equal(read_tokens(real)[:], ids(9))


def test_writing_and_reading_hold_one_chunk(file):
    chunk = ids(100_000)
    tracemalloc.start()
    tokens = write_tokens(file, (chunk for _ in range(50)), "uint16")
    for begin in range(0, len(tokens), 100_000):
        tokens[begin : begin + 100_000]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * chunk.nbytes


def test_a_file_larger_than_memory_has_its_ends(tmp_path):
    """A hole of four terabytes takes no room."""
    path = tmp_path / "x.bin"
    with path.open("wb") as file:
        file.truncate(4 << 40)
        file.seek(-3, os.SEEK_END)
        file.write(b"abc")
    tokens = byte_tokens(path)
    assert len(tokens) == 4 << 40
    assert tokens[-4:].tobytes() == b"\0abc"
    assert tokens[len(tokens) - 2 :].tobytes() == b"bc"


def test_a_file_that_was_cut_while_open_is_told(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(bytes(10_000))
    tokens = byte_tokens(path)
    os.truncate(path, 100)
    assert len(tokens[:100]) == 100
    with pytest.raises(DataError, match=r"x\.txt: has become shorter while it was read"):
        tokens[50:150]


def test_copies_read_on_and_every_file_is_closed(file):
    before = set(os.listdir("/proc/self/fd"))
    tokens = write_tokens(file, [ids(9)], "uint16")
    other = copy.deepcopy(tokens)
    del tokens
    np.testing.assert_array_equal(other[2:5], ids(9)[2:5])
    del other
    assert set(os.listdir("/proc/self/fd")) == before


def test_threads_read_side_by_side(file):
    array = ids(40_000)
    tokens = write_tokens(file, [array], "uint16")
    places = range(0, 39_000, 40)

    def right(low):
        return np.array_equal(tokens[low : low + 900], array[low : low + 900])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(right, places))


def npy(array):
    return lambda path: np.save(path, array)


def changed(change):
    def write(path):
        np.save(path, ids(9))
        path.write_bytes(change(path.read_bytes()))

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (npy(np.zeros((3, 3), np.uint8)), r"'shape': \(3, 3\).*; it takes .npy, format 1.0, one"),
        (npy(np.zeros(3)), "<f8"),
        (npy(np.zeros(3, np.int32)), "<i4"),
        (npy(np.zeros(3, np.uint64)), "<u8"),
        (npy(np.zeros(3, ">u2")), ">u2"),
        (npy(np.array(5, np.uint8)), r"'shape': \(\)"),
        (changed(lambda data: data[:-1]), "145 bytes, its header says 146; it was cut short"),
        (changed(lambda data: data + b"x"), "147 bytes, its header says 146"),
        (changed(lambda data: data.replace(b"(9,)", b"(8,)")), "146 bytes, its header says 144"),
        (changed(lambda data: data[:40]), "it takes .npy"),
        (changed(lambda data: data[:9]), "no header; it takes .npy"),
        (changed(lambda data: b""), "no header; it takes .npy"),
        (changed(lambda data: b"some text, no tokens"), "it takes .npy"),
        (changed(lambda data: b"\x93NUMPY\x02" + data[7:]), "it takes .npy"),
        (changed(lambda data: data.replace(b"'<u2'", b"'|O' ")), r"\|O"),
        (changed(lambda data: data.replace(b"(9,)", b"(9,),[0]")), "it takes .npy"),
    ],
)
def test_damaged_and_other_files_are_refused(file, write, said):
    write(file)
    with pytest.raises(DataError, match=rf"x\.npy: .*{said}") as raised:
        read_tokens(file)
    assert "\n" not in str(raised.value)


def test_objects_are_not_brought_to_life(file):
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"\|O"):
        read_tokens(file)


@given(st.data())
def test_no_bytes_do_more_than_be_refused(place, data):
    np.save(place, ids(9))
    content = bytearray(place.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    place.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        tokens = read_tokens(place)
    except RecurraError:
        return
    assert isinstance(tokens, Tokens)
    assert len(tokens[:]) == len(tokens)


@pytest.mark.parametrize("open_tokens", [byte_tokens, read_tokens])
def test_what_is_no_file_is_told(tmp_path, open_tokens):
    with pytest.raises(MissingFileError, match="no such file; it takes the path of a text"):
        open_tokens(tmp_path / "none")
    with pytest.raises(DataError, match="no plain file"):
        open_tokens(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no plain file"):
        open_tokens(str(tmp_path / "pipe"))
