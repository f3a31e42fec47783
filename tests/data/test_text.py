"""Files are read as they stand, in blocks that change nothing, and what is no text is told."""

import gzip
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data import VOCABULARIES, Text, Tokens, encode_files, fit_vocabulary
from recurra.data import text as text_module
from recurra.data.text import lines
from recurra.errors import DataError, MissingFileError, OptionError, RecurraError, UnknownTokenError

SOME = (
    "the cat sat on the mat;\n\n  the dog's log,\tnot 12 cats'  \n\n\n \nक्षत्रिय 👩\u200d👧 end " * 3
)
LEARNED = {kind: fit_vocabulary(kind, [SOME]) for kind in VOCABULARIES}
TEXTS = st.text(
    st.sampled_from("ab'1,; \n\t\r\x85\u3000é👩") | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=80,
).filter(lambda text: "\0" not in text)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for files that the examples of a law write one after the other."""
    return tmp_path_factory.mktemp("text")


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few characters, so that small texts have many."""
    monkeypatch.setattr(text_module, "CHUNK", 7)


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@given(TEXTS, st.integers(1, 9))
def test_blocks_are_the_text_whatever_is_read_at_once(place, text, chunk):
    path = written(place / "x.txt", text)
    wanted = text.removeprefix("\ufeff").replace("\r\n", "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "CHUNK", chunk)
        if not wanted:
            with pytest.raises(DataError, match="is empty"):
                list(Text(path))
            return
        assert "".join(Text(path)) == wanted
        assert list(lines(Text(path))) == wanted.removesuffix("\n").split("\n")


@pytest.mark.parametrize("kind", VOCABULARIES)
@given(TEXTS, st.integers(1, 9))
@settings(max_examples=40)
def test_ids_of_blocks_are_those_of_the_whole(place, kind, text, chunk):
    path = written(place / "x.txt", SOME + text)
    vocabulary = LEARNED[kind]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "CHUNK", chunk)
        found = encode_files(path, vocabulary, errors="replace")
    wanted = vocabulary.encode((SOME + text).replace("\r\n", "\n"), "replace")
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == vocabulary.dtype


def test_a_text_without_any_place_to_end_is_cut_anywhere(tmp_path, small_blocks, monkeypatch):
    monkeypatch.setattr(text_module, "MOST_WAITED", 20)
    blocks = list(Text(written(tmp_path / "x.txt", "a" * 100)))
    assert "".join(blocks) == "a" * 100
    assert max(map(len, blocks)) < 30


def test_packed_files_and_several_are_read_in_the_order_given(tmp_path):
    second = written(tmp_path / "a.txt.gz", gzip.compress(b"zwei\n"))
    first = written(tmp_path / "b.txt", "\ufeffeins\r\n")
    text = Text([str(first), second])
    for _ in range(2):
        assert "".join(text) == "eins\nzwei\n"
    assert "".join(text.blocks(second)) == "zwei\n"


def test_only_the_pair_of_line_ends_is_changed(tmp_path):
    path = written(tmp_path / "x.txt", "a\rb\r\r\nc\x0b\u2028d\n\ufeff")
    assert "".join(Text(path)) == "a\rb\r\nc\x0b\u2028d\n\ufeff"


@pytest.mark.parametrize("before", ["", "ab", "ab€" * 10])
@pytest.mark.parametrize(
    ("wrong", "byte"),
    [(b"\xff", 0xFF), (b"\xe2\x82x", 0xE2), (b"\xc0\x80", 0xC0), (b"\xf0\x9f", 0xF0)],
)
def test_a_byte_that_is_no_utf8_is_told_with_its_offset(
    tmp_path, small_blocks, before, wrong, byte
):
    path = written(tmp_path / "x.txt", before.encode() + wrong)
    said = rf"x\.txt: byte 0x{byte:02x} at offset {len(before.encode())} is no UTF-8; --errors rep"
    with pytest.raises(DataError, match=said):
        list(Text(path))
    read = "".join(Text(path, "replace"))
    assert read == (before.encode() + wrong).decode(errors="replace")


@pytest.mark.parametrize("errors", ["strict", "replace"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"some text \0", "a NUL byte at offset 10; it is no text"),
        ("text".encode("utf-16"), "is UTF-16; make it UTF-8: iconv"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, errors, content, said):
    good, path = written(tmp_path / "good.txt", "good"), written(tmp_path / "x.txt", content)
    with pytest.raises(DataError, match=rf"x\.txt: {said}"):
        list(Text([good, path], errors))


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-9], lambda data: b"plain", lambda data: data[:20] + b"##" + data[22:]],
)
def test_damaged_packed_files_are_told(tmp_path, damage):
    path = written(tmp_path / "x.gz", damage(gzip.compress(SOME.encode())))
    with pytest.raises(DataError, match=r"x\.gz: damaged, or not packed by gzip"):
        list(Text(path))


def test_paths_that_are_no_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="a folder; it takes text files, such as"):
        Text(tmp_path)
    with pytest.raises(MissingFileError, match="no such file"):
        Text([tmp_path / "none"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no plain file"):
        Text(tmp_path / "pipe")
    with pytest.raises(OptionError, match="no file is given"):
        Text([])
    with pytest.raises(OptionError, match='errors is "ignore"'):
        Text(written(tmp_path / "x", "x"), "ignore")


@given(st.binary(min_size=1, max_size=40))
@settings(max_examples=50)
def test_no_bytes_do_more_than_be_refused(place, content):
    for name, errors in (("x.txt", "strict"), ("y.txt", "replace"), ("x.gz", "strict")):
        try:
            assert "".join(Text(written(place / name, content), errors))
        except RecurraError:
            continue


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_documents_end_with_the_separator(tmp_path, small_blocks, kind):
    vocabulary = LEARNED[kind]
    one = written(tmp_path / "one.txt", "the cat\n \n\nsat on\nthe mat\n\n")
    two = written(tmp_path / "two.txt", "\nthe dog")

    def joined(*documents, after=(vocabulary.separator,)):
        parts = [each for text in documents for each in (vocabulary.encode(text), after)]
        return np.concatenate(parts).tolist()

    def found(paths, document):
        return encode_files(paths, vocabulary, document=document).tolist()

    assert found(one, "file") == joined(one.read_text(), after=())
    assert found([one, two], "file") == joined(one.read_text(), two.read_text())
    assert found([one, two], "line") == joined("the cat", "sat on", "the mat", "the dog")
    assert found([one, two], "paragraph") == joined("the cat", "sat on\nthe mat", "the dog")
    assert encode_files([one, two], vocabulary).dtype == np.min_scalar_type(len(vocabulary) - 1)


def test_what_does_not_fit_into_memory_goes_to_the_file(tmp_path, small_blocks):
    path, out = written(tmp_path / "x.txt", SOME), tmp_path / "x.npy"
    for kind, document in (("words", "file"), ("bytes", "line")):
        wanted = encode_files(path, LEARNED[kind], out, document=document)
        assert isinstance(wanted, np.ndarray)
        assert not out.exists()
        found = encode_files(path, LEARNED[kind], out, document=document, most_bytes=20)
        assert isinstance(found, Tokens)
        np.testing.assert_array_equal(found[:], wanted)
        assert found.dtype == wanted.dtype
        out.unlink()
    with pytest.raises(DataError, match=r"x\.txt: its ids take more than 0 MiB; give a file"):
        encode_files(path, LEARNED["words"], most_bytes=20)


@pytest.mark.parametrize("packed", [True, False])
def test_only_a_few_blocks_are_in_memory(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(text_module, "CHUNK", 1 << 15)
    content = SOME.encode() * 10_000
    path = written(tmp_path / "x.gz", gzip.compress(content, 1)) if packed else tmp_path / "x.txt"
    if not packed:
        written(path, content)
    tracemalloc.start()
    tokens = encode_files(path, LEARNED["characters"], tmp_path / "x.npy", most_bytes=1 << 16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(tokens) > 1_000_000
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("content", "in_place"), [("aé\nb", True), ("aé\r\nb", False), ("\ufeffab", False)]
)
def test_bytes_that_stand_are_read_in_their_place(tmp_path, content, in_place):
    path, out = written(tmp_path / "x.txt", content), tmp_path / "x.npy"
    found = encode_files(path, LEARNED["bytes"], out, most_bytes=1)
    assert found.path == (path if in_place else out)
    assert found[:].tobytes() == "".join(Text(path)).encode()


def test_unknown_characters_are_told_with_their_place(tmp_path, small_blocks):
    vocabulary = fit_vocabulary("characters", ["the cat\n"])
    path = written(tmp_path / "x.txt", "the cat\n\nthe hat x\n")
    with pytest.raises(UnknownTokenError, match=r"x\.txt: 'x' \(U\+0078\) at character 17 is"):
        encode_files(path, vocabulary)
    with pytest.raises(UnknownTokenError, match=r"x\.txt, line 3: 'x' \(U\+0078\) at character 8"):
        encode_files(path, vocabulary, document="line")
    assert encode_files(path, vocabulary, errors="replace")[17] == vocabulary.unknown


def test_documents_that_do_not_fit_are_refused(tmp_path):
    path = written(tmp_path / "x.txt", " \n\n")
    with pytest.raises(OptionError, match='--document is "page"; it is file, line or paragraph'):
        encode_files(path, LEARNED["bytes"], document="page")
    with pytest.raises(DataError, match="no document in it"):
        encode_files(path, LEARNED["bytes"], document="line")
