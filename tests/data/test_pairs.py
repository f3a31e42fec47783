"""Pairs of texts from two files, from one with two columns, and from lists; what is refused."""

import gzip

import pytest

from recurra.data import read_lines, read_pairs
from recurra.errors import DataError, MissingFileError, OptionError

PAIRS = [("Ein Hund .", "a dog ."), ('"er\u2028 sagt"', "it's ¼"), (" c ", "d")]


@pytest.fixture
def file(tmp_path):
    """Writes a file; its path."""

    def write(name, text):
        path = tmp_path / name
        content = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def sides(pairs, end="\n"):
    return ["".join(f"{text}{end}" for text in side) for side in zip(*pairs, strict=True)]


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_files_and_lists_give_the_same_pairs(file, packed):
    source, target = sides(PAIRS)
    de, en = file(f"a.de{packed}", source), file(f"a.en{packed}", target.replace("\n", "\r\n"))
    table = file(f"a.tsv{packed}", "\ufeff" + "\n".join("\t".join(pair) for pair in PAIRS))
    found = [read_pairs(each) for each in ([de, str(en)], table, [str(table)], PAIRS)]
    for each in found:
        assert list(zip(each.sources, each.targets, strict=True)) == PAIRS
        assert len(each) == 3
    assert len({each.hash() for each in found}) == 1
    assert [each.name for each in found] == [f"{de}, {en}", str(table), str(table), "the list"]
    assert found[0].facts == (f"{de}, {en}: 3 pairs",)


def test_a_part_is_some_of_the_pairs():
    found = read_pairs(PAIRS).part(1, 3)
    assert (found.sources, found.targets) == (('"er\u2028 sagt"', " c "), ("it's ¼", "d"))
    assert found.hash() != read_pairs(PAIRS).hash()
    assert read_pairs([("ab", "c")]).hash() != read_pairs([("a", "bc")]).hash()


def test_the_two_codings_of_a_letter_stay_two(file):
    path = file("a.tsv", "\u00e9\te\u0301\n")
    assert read_pairs(path).sources != read_pairs(path).targets


UNEVEN = {
    "none": (
        "a\nb\n",
        "a\n",
        "2 lines, {1}: 1 line; line n of one belongs to line n of the other",
    ),
    "first": ("a\n \nb\n", "a\nb\n", "; {0}: line 2 is blank, which may be the cause"),
    "second": ("a\n", "a\n\n", "; {1}: line 2 is blank, which may be the cause"),
}


@pytest.mark.parametrize("blank", UNEVEN)
def test_files_of_unequal_length_are_told_with_their_lengths(file, blank):
    source, target, said = UNEVEN[blank]
    paths = [file("a.de", source), file("a.en", target)]
    with pytest.raises(DataError) as caught:
        read_pairs(paths)
    assert str(caught.value).startswith(f"{paths[0]}: ")
    assert str(caught.value).endswith(said.format(*paths))
    assert ("blank" in str(caught.value)) is (blank != "none")


REFUSED = {
    "one column": ("a\tb\nab\n", "line 2 has 1 column, 'ab' the first; it takes two between a tab"),
    "three": ("a\tb\tc\n", "line 1 has 3 columns, 'a' the first"),
    "long column": ("x" * 99, "line 1 has 1 column, '" + "x" * 40 + "…' the first"),
    "blank target": ("a\tb\nc\t \nd\t\n", "2 of 3 pairs have a blank side, line 2 the first; fill"),
    "blank line": ("a\tb\n\nc\td\n", "1 of 3 pairs have a blank side, line 2 the first"),
    "too long": (
        "a\tb\nabcdef\tb\n",
        "1 of 2 pairs are longer than 5 characters, line 2 the first with 6; --max-length N takes "
        "longer ones, or --unfit drop leaves them out",
    ),
    "both": ("a\tbbbbbb\n\t\n", "line 2 the first; 1 of 2 pairs are longer than 5 characters"),
    "nothing": ("", "is empty"),
    "no UTF-8": (b"a\tb\n\xff\tb\n", "byte 0xff at offset 4 is no UTF-8; --errors replace"),
    "a binary": (b"a\tb\n\0", "a NUL byte at offset 4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_told_with_its_line(file, name):
    text, said = REFUSED[name]
    path = file("a.tsv", text)
    with pytest.raises(DataError) as caught:
        read_pairs(path, max_length=5)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_may_be_left_out(file):
    path = file("a.tsv", "a\tb\n\td\nabcdef\tx\ne\tf\n")
    found = read_pairs(path, max_length=5, unfit="drop")
    assert (found.sources, found.targets) == (("a", "e"), ("b", "f"))
    assert found.facts == (
        f"{path}: 2 pairs",
        "1 of 4 pairs have a blank side, line 2 the first: left out",
        "1 of 4 pairs are longer than 5 characters, line 3 the first with 6: left out",
    )
    with pytest.raises(DataError, match="no pair that fits"):
        read_pairs([("", "a")], unfit="drop")
    assert read_pairs(file("b.tsv", b"\xff\tb\n"), errors="replace").sources == ("\ufffd",)


def test_lists_of_something_else_are_told():
    for wrong, said in {
        "a": ([("a", "b"), "ab"], r"pair 1 is a str; it takes two texts"),
        "b": ([("a", "b", "c")], r"pair 0 is a tuple of 3 \(str, str, str\)"),
        "c": ([("a", 1)], r"pair 0 is a tuple of 2 \(str, int\)"),
        "d": ([3], r"pair 0 is a int"),
    }.values():
        with pytest.raises(DataError, match=f"the list: {said}"):
            read_pairs(wrong)
    with pytest.raises(DataError, match="the list: 1 of 2 pairs have a blank side, pair 1 the"):
        read_pairs([("a", "b"), ("c", "\u3000")])
    for paths in ([], ["a", "b", "c"]):
        with pytest.raises(DataError, match=f"{len(paths)} files; it takes two of as many lines"):
            read_pairs(paths)


def test_options_that_do_not_fit_are_told(tmp_path):
    with pytest.raises(OptionError, match='--unfit is "keep"; what fits is refuse or drop'):
        read_pairs(PAIRS, unfit="keep")
    with pytest.raises(OptionError, match="--max-length is 0; it is at least 1"):
        read_pairs(PAIRS, max_length=0)
    with pytest.raises(MissingFileError, match="no such file"):
        read_pairs([tmp_path / "a", tmp_path / "b"])


def test_lines_are_read_with_the_blank_ones(file):
    assert read_lines(file("a.txt.gz", "a\n\n b\u2028\r\n")) == ["a", "", " b\u2028"]
