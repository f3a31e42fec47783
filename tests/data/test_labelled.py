"""Texts and labels out of files, frames and lists: what is found, and what is told of harm."""

import gzip
import json

import pandas as pd
import polars as pl
import pytest

from recurra.data import LabelOptions, check_classes, read_labelled, read_texts
from recurra.errors import DataError, MissingFileError, OptionError

ROWS = [("A fine, warm day", "good"), ('He said "no" twice', "bad"), ("Two\tmore", "good")]
FRAME = pd.DataFrame(ROWS, columns=["text", "label"])


def csv_(path):
    FRAME.to_csv(path, index=False)


def semicolons(path):
    FRAME.to_csv(path, index=False, sep=";")


def bars(path):
    path.write_text("text|label\nA fine, warm day|good\n" + ROWS[1][0] + "|bad\nTwo\tmore|good\n")


def jsonl(path):
    path.write_text("".join(json.dumps({"label": b, "text": a}) + "\n\n" for a, b in ROWS))


def packed(path):
    content = FRAME.to_csv(index=False).encode()
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + content))


FILES = {
    "a.csv": csv_,
    "b.csv": semicolons,
    "c.csv": bars,
    "d.jsonl": jsonl,
    "e.csv.gz": packed,
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same(tmp_path, name):
    FILES[name](tmp_path / name)
    found = read_labelled(tmp_path / name)
    assert found.texts == tuple(text for text, _ in ROWS)
    assert found.labels == ("good", "bad", "good")
    assert found.facts == (f'{name}: 3 texts of 2 classes; text from "text", label from "label"',)


def test_between_tabs_quotes_are_letters_but_around_a_whole_field(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('label\ttext\r\n1\t"quoted ""twice"""\r\n0\t" 5\' 6""\r\n1\ta "b\r\n')
    assert read_labelled(path).texts == ('quoted "twice"', '" 5\' 6""', 'a "b')


def test_frames_and_lists(tmp_path):
    for source in (FRAME, pl.DataFrame(FRAME.to_dict("list")), ([a for a, _ in ROWS], FRAME.label)):
        found = read_labelled(source)
        assert found.texts == tuple(text for text, _ in ROWS)
        assert found.labels == ("good", "bad", "good")
    numbers = pd.DataFrame({"review": ["a", "b"], "target": [1.0, 0.0]})
    assert read_labelled(numbers).labels == ("1", "0")
    assert read_labelled((["a", "b"], [True, False])).labels == ("True", "False")


def test_without_telling_names_shape_decides():
    frame = pd.DataFrame(
        {
            "nr": range(6),
            "verdict": ["yes", "no"] * 3,
            "by": ["ann", "bob", "eve", "joe", "kim", "sue"],
            "words": ["a long text of several words"] * 6,
        }
    )
    found = read_labelled(frame)
    assert (found.text, found.label) == ("words", "verdict")
    two = frame.assign(shop=["x", "x", "y"] * 2)
    with pytest.raises(DataError, match="each of verdict, shop could be the label; say which with"):
        read_labelled(two)
    assert read_labelled(two, LabelOptions(label="shop", text="by")).texts[0] == "ann"
    with pytest.raises(DataError, match="none looks like the label; say which with --label COLUMN"):
        read_labelled(frame[["nr", "by"]])


HARM = {
    "empty": (b"", "empty; it takes a text and its label a row"),
    "only a header": (b"text,label\n", "a header but no rows"),
    "binary": (b"text,label\na\0b,x\n", "byte 12 is 0, which no text holds"),
    "latin": (b"text,label\ncaf\xe9,x\n", r"byte 14 \(0xe9\) is no UTF-8; .* --errors replace"),
    "twice": (b"text,text,label\na,b,c\n", 'two columns are called "text"'),
    "uneven": (b"text,label\na,b\nc,d,e\n", "line 3 has 3 fields, the header has 2"),
    "uneven behind a long row": (
        b'text,label\n"a\nb",x\nc\n',
        r"line 4 has 1 fields, the header has 2 \(text, label\)",
    ),
    "open quote": (b'text,label\na,b\n"c,d\n', "the row that begins in line 3: .*quotes inside"),
    "no header": (
        b"0,it was a fine day\n1,no\n0,yes\n1,why\n0,so\n",
        "the first row holds values; a header",
    ),
    "no label there": (
        b"text,label\na,b\nc,\nd, \n",
        "2 of 3 rows have no label, row 3 the first; fill it in, or --missing drop",
    ),
    "no text there": (b"text,label\n ,b\nc,d\n", "1 of 2 rows have no text, row 2 the first"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_file_that_does_not_fit_is_told_in_one_line(tmp_path, harm):
    content, message = HARM[harm]
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=f"^a.csv: {message}") as caught:
        read_labelled(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)


JSON_HARM = {
    "no JSON": ("{", "line 1 is no JSON object"),
    "a list": ('{"text": "a", "label": 1}\n[1]', "line 2 is a list; each line is a JSON object"),
    "a key twice": ('{"text": "a", "text": "b"}', "line 1 is no JSON object: a key comes twice"),
    "a nested label": ('{"text": "a", "label": {"x": 1}}', "row 1: .* is a dict, not a label"),
    "a number for a text": ('{"text": 5, "label": 1}', 'row 1: "5" is a int, not a text'),
    "deep": ("[" * 100_000, "line 1 is no JSON object"),
}


@pytest.mark.parametrize("harm", JSON_HARM)
def test_json_that_does_not_fit_is_told(tmp_path, harm):
    content, message = JSON_HARM[harm]
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataError, match=f"^a.jsonl: {message}"):
        read_labelled(tmp_path / "a.jsonl")


def test_what_is_missing_may_be_dropped_and_strange_bytes_replaced(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\na,x\nb,\n,y\nc\xff,y\n")
    found = read_labelled(tmp_path / "a.csv", LabelOptions(missing="drop", errors="replace"))
    assert (found.texts, found.labels) == (("a", "c�"), ("x", "y"))
    assert found.facts[1:] == (
        "1 of 4 rows have no text, row 4 the first: left out",
        "1 of 4 rows have no label, row 3 the first: left out",
        "1 places that were no UTF-8 are � now",
    )


def test_names_that_are_not_there(tmp_path):
    csv_(tmp_path / "a.csv")
    with pytest.raises(OptionError, match=r'a.csv: --label "lable": no such column; near: label'):
        read_labelled(tmp_path / "a.csv", LabelOptions(label="lable"))
    with pytest.raises(OptionError, match='--text and --label are both "x"'):
        LabelOptions(text="x", label="x")
    with pytest.raises(OptionError, match='--missing is "x"; what fits is refuse or drop'):
        LabelOptions(missing="x")
    with pytest.raises(OptionError, match='--errors is "x"; what fits is strict or replace'):
        read_labelled(tmp_path / "a.csv", LabelOptions(errors="x"))
    with pytest.raises(MissingFileError, match="no such file"):
        read_labelled(tmp_path / "b.csv")
    with pytest.raises(DataError, match="a folder, not a file of texts"):
        read_labelled(tmp_path)
    (tmp_path / "c.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"c.csv.gz: cannot be read"):
        read_labelled(tmp_path / "c.csv.gz")


def test_classes_that_cannot_be_learned():
    with pytest.raises(DataError, match='"label" has one class alone, "x"; it takes two or more'):
        check_classes(read_labelled(pd.DataFrame({"text": ["a", "b"], "label": ["x", "x"]})))
    ids = pd.DataFrame({"text": ["a", "b", "c"], "label": [1, 2, 3]})
    with pytest.raises(DataError, match="3 different labels in 3 rows"):
        check_classes(read_labelled(ids))
    with pytest.raises(DataError, match="2 texts and 1 labels; it takes a label a text"):
        read_labelled((["a", "b"], ["x"]))


def test_texts_alone(tmp_path):
    csv_(tmp_path / "a.csv")
    assert read_texts(tmp_path / "a.csv").texts[1] == ROWS[1][0]
    assert read_texts(["a", ""]).texts == ("a", "")
    (tmp_path / "a.txt").write_text("one, two\n\nthree\n")
    assert read_texts(tmp_path / "a.txt").texts == ("one, two", "", "three")
    only = pd.DataFrame({"other": ["a", None]})
    assert read_texts(only, LabelOptions(text="text")).texts == ("a", "")
    with pytest.raises(DataError, match='the list: row 1: "5" is a int, not a text'):
        read_texts(["a", 5])
    with pytest.raises(OptionError, match='--text "words": no such column'):
        read_texts(tmp_path / "a.csv", LabelOptions(text="words"))
