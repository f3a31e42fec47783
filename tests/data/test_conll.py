"""Sentences from CoNLL-U and plain CoNLL, and what is refused."""

import gzip

import pytest

from recurra.data import Sentence, conll, read_conll
from recurra.errors import DataError, MissingFileError, OptionError

UNIVERSAL = """\
# sent_id = 1
# text = Don't go.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVBP\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
2.1\tyou\tyou\tPRON\t_\t_\t_\t_\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_

# newdoc
1\t#\t#\tSYM\tNN\t_\t0\troot\t_\t_
2\t10 000\t10000\tNUM\tCD\t_\t1\tx\t_\t_
"""
NAMES = """\
-DOCSTART- -X- -X- O

EU NNP I-NP B-ORG
rejects VBZ I-VP O

# # I-NP O
-DOCSTART- -X- -X- O
Peter NNP I-NP B-PER
"""


@pytest.fixture
def file(tmp_path):
    """Writes a file; its path."""

    def write(text, name="x.conll"):
        path = tmp_path / name
        content = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.mark.parametrize("name", ["x.conllu", "x.conllu.gz", "x-2.5.conllu", "x.txt"])
def test_conll_u_has_words_and_universal_tags(file, name):
    assert read_conll(file(UNIVERSAL, name)) == [
        (("Do", "n't", "go"), ("AUX", "PART", "VERB")),
        (("#", "10 000"), ("SYM", "NUM")),
    ]


def test_plain_conll_has_the_word_first_and_the_tag_last(file):
    expected = [
        (("EU", "rejects"), ("B-ORG", "O")),
        (("#",), ("O",)),
        (("Peter",), ("B-PER",)),
    ]
    assert read_conll(file(NAMES)) == expected
    assert read_conll(file(NAMES.replace(" ", "\t"), "x.tsv")) == expected
    assert read_conll(file("\ufeff" + NAMES.replace("\n", "\r\n"), "y.conll.gz")) == expected
    assert read_conll(file(NAMES.replace(" ", "   ") + "\n \n")) == expected


def test_other_columns(file):
    path = file(UNIVERSAL, "x.conllu")
    assert read_conll(path, column=5)[0].tags == ("VBP", "RB", "VB")
    assert read_conll(path, word_column=3)[1].words == ("#", "10000")
    assert read_conll(file(NAMES), column=2)[0] == Sentence(("EU", "rejects"), ("NNP", "VBZ"))


def test_without_tags_words_alone_are_read(file):
    assert read_conll(file("a\nb\n\nc\n"), tagged=False) == [(("a", "b"), ()), (("c",), ())]
    assert read_conll(file(UNIVERSAL, "x.conllu"), tagged=False)[0] == (("Do", "n't", "go"), ())


def test_what_is_no_line_break_and_no_blank_stands_in_words(file):
    words = ("a\u2028b", "1\u00a0000", "c\x0bd", "e\x85")
    text = "".join(f"{word} X\n" for word in words)
    assert read_conll(file(text))[0].words == words


def test_comments_of_plain_conll(file):
    text = "# id 42 domain=en extra\nParis B-LOC\n# O\n\n# another one\n# O\nRome B-LOC\n"
    assert [each.words for each in read_conll(file(text))] == [("Paris", "#"), ("#", "Rome")]


REFUSED = {
    "a column too few": ("a b X\nc d X\n\ne X\n", "line 4 has 2 columns, line 1 has 3"),
    "a column too many": ("a\tX\nb\tc\tX\n", "line 2 has 3 columns, line 1 has 2"),
    "an empty word": ("a\tX\n\tY\n", "line 2 has an empty word in column 1"),
    "an empty tag": ("a\tX\nb\t \n", "line 2 has an empty tag in column 2"),
    "nothing": ("", "empty"),
    "blank lines": ("\n \n", "empty"),
    "documents alone": ("-DOCSTART- O\n", "empty"),
    "a comment alone": ("# x\n", "empty"),
    "no UTF-8": (b"a X\n\xff\xfe X\n", "no UTF-8 at byte 4"),
    "a binary": (b"a X\n\0\1\2", "binary, a zero at byte 4"),
    "one column": ("a\nb\n", "words and tags are both in column 1 of 1; --column N"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_told_with_its_line(file, name):
    text, said = REFUSED[name]
    path = file(text)
    with pytest.raises(DataError) as caught:
        read_conll(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_conll_u_is_told(file):
    with pytest.raises(DataError, match=r"line 6 begins with 'x'; a word of CoNLL-U begins"):
        read_conll(file(UNIVERSAL.replace("2.1\t", "x\t"), "x.conllu"))
    with pytest.raises(DataError, match=r"line 1 has 2 columns, CoNLL-U has 10 between tabs"):
        read_conll(file("a X\n", "x.conllu"))
    with pytest.raises(DataError, match=r"line 11 has 9 columns, line 3 has 10"):
        read_conll(file(UNIVERSAL.replace("\t1\tx", "\t1"), "x.conllu"))
    with pytest.raises(DataError, match="no words"):
        read_conll(file(UNIVERSAL.partition("1\tDo")[0], "x.conllu"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"column": 5}, r"--column is 5; line 3 of .* has 4"),
        ({"column": 0}, "--column is 0"),
        ({"column": -1}, "--column is -1"),
        ({"word_column": 9}, "--word-column is 9"),
    ],
)
def test_a_column_that_is_not_there_is_told(file, options, said):
    with pytest.raises(OptionError, match=said):
        read_conll(file(NAMES), **options)


def test_files_that_cannot_be_read(file, tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        read_conll(tmp_path / "none.conll")
    with pytest.raises(DataError, match="no plain file"):
        read_conll(tmp_path)
    path = file(NAMES, "x.conll.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read"):
        read_conll(path)
    path.write_bytes(b"plain text")
    with pytest.raises(DataError, match="cannot be read"):
        read_conll(path)


def test_sizes_are_limited(file, monkeypatch):
    monkeypatch.setattr(conll, "MOST_BYTES", 1 << 20)
    with pytest.raises(DataError, match="more than 1 MiB; split it"):
        read_conll(file(b"a X\n" * (1 << 19), "bomb.conll.gz"))
    monkeypatch.setattr(conll, "MOST_WORDS", 3)
    with pytest.raises(DataError, match="line 4: a sentence of more than 3 words; blank lines"):
        read_conll(file("a X\n" * 5))
