"""Long frames and tables of letters as sequences."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from recurra.data import read_table
from recurra.data.signals import Header
from recurra.data.signals.columns import Columns
from recurra.data.signals.table import letters_in, read_letters, read_long
from recurra.data.signals.times import gaps_of, in_words, unit_of
from recurra.errors import DataError, OptionError

LONG = pd.DataFrame(
    {
        "id": ["b", "b", "a", "a", "a"],
        "time": [2, 1, 5, 3, 4],
        "x": [1.0, 2.0, 3.0, np.nan, 5.0],
        "y": [0, 1, 2, 3, 4],
        "label": ["no", "no", "yes", "yes", "yes"],
    }
)


def long(frame=LONG, known=None, **wish):
    return read_long(read_table(frame), Columns(**wish), known)


def test_rows_are_gathered_by_id_and_sorted_by_time():
    for frame in (LONG, pl.DataFrame(LONG.to_dict("list"))):
        source = long(frame)
        first, second = source.raws
        assert (first.name, first.answer, second.name, second.answer) == ("b", "no", "a", "yes")
        np.testing.assert_array_equal(first.steps, [[2, 1], [1, 0]])
        np.testing.assert_array_equal(second.steps, [[np.nan, 3], [5, 4], [3, 2]])
        assert first.channels == ("x", "y")
        assert second.times.tolist() == [3, 4, 5]
        assert source.facts == ('columns: id from "id", time from "time", label from "label"',)


def test_dates_are_times_in_seconds():
    stamps = pd.Series(["2024-01-01", "2024-01-03"] * 2 + ["2024-02-01"])
    for times in (stamps, pd.to_datetime(stamps)):
        source = long(LONG.assign(time=times, id=list("aabbb")))
        assert source.unit == "seconds"
        assert np.diff(source.raws[1].times).tolist() == [2 * 86400, 29 * 86400]


def test_gaps_have_a_usual_one_or_are_even():
    gaps = gaps_of([np.array([0.0, 1, 3]), np.array([5.0, 7])])
    assert gaps.tolist() == [0, 1, 2, 0, 2]
    assert unit_of(gaps, np.array([0, 3, 5])) == 2
    assert unit_of(np.array([0, 0.1, 0.1 + 1e-9]), np.array([0, 3])) is None
    assert unit_of(np.zeros(2), np.array([0, 1, 2])) is None
    words = [in_words(gap, "seconds") for gap in (0.5, 60.0, 5400.0, 172_800.0)]
    assert words == ["0.5 seconds", "1 minute", "1.5 hours", "2 days"]
    assert in_words(2.0, "") == "2"


def test_texts_are_categories_and_a_model_knows_its_own():
    frame = LONG.assign(x=["red", "blue", None, "red", " "])
    source = long(frame)
    assert source.categories == {0: ("blue", "red")}
    np.testing.assert_array_equal(source.raws[0].steps[:, 0], [0, 1])
    np.testing.assert_array_equal(source.raws[1].steps[:, 0], [1, np.nan, np.nan])
    known = Header(("y", "x"), {1: ("red", "green")})
    again = long(frame.drop(columns="label"), known, answered=False)
    np.testing.assert_array_equal(again.raws[0].steps, [[1, np.nan], [0, 0]])
    assert again.categories == {1: ("red", "green")}
    assert '"x": 1 values the model does not know, "blue" the first: taken as missing' in (
        again.facts
    )
    assert Header.from_json(known.to_json()) == known


def test_labels_of_steps_and_groups():
    source = long(
        LONG.assign(label=[1, 2, 3, 4, 5], who=list("ggggg")),
        per_step=True,
        group="who",
        features=("x",),
    )
    assert [raw.answer for raw in source.raws] == [[2, 1], [4, 5, 3]]
    assert source.raws[0].group == "g"
    assert "not used: y" in source.facts


HARM = {
    "labels differ": (
        LONG.assign(label=list("nnyny")),
        {},
        'column "label": "a" has "y" and in row 3 "n"; .* --per-step',
    ),
    "time twice": (LONG.assign(time=1), {}, '"b" has the time "1" twice, rows 0 and 1, and 2 more'),
    "no time": (LONG.assign(time=[1, 2, None, 3, 4]), {}, "row 2: the time is missing; .* --time"),
    "words for times": (
        LONG.assign(time=["2024-01-01"] * 4 + ["soon"]),
        {},
        'row 4: "soon" is no time; it takes numbers or dates',
    ),
    "no id": (LONG.rename(columns={"id": "k"}), {}, "none names the sequences; .* --id COLUMN"),
    "empty id": (LONG.assign(id=["a", None, "b", "b", "b"]), {}, "row 1: the sequence has no name"),
    "no label": (LONG.drop(columns="label"), {}, "none is clearly the label; say which with"),
    "a word": (LONG.assign(x=[1, 2, "?", 3, 4]), {}, "1 value is no number at row 2: .*--na"),
    "large": (LONG.assign(x=[1, 2, 1e39, 3, 4]), {}, "row 2: 1e\\+39 is too large for float32"),
    "dates": (
        LONG.assign(x=pd.date_range("2024", periods=5)),
        {},
        'column "x" holds dates, which are no channel; --time x',
    ),
    "missing": (
        LONG,
        {"known": Header(("x", "z"))},
        "the model learned from the columns x, z; missing z",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_table_that_does_not_fit_is_told(harm):
    frame, more, message = HARM[harm]
    with pytest.raises(DataError, match=f"^the table: .*{message}"):
        long(frame, **more)


def test_columns_that_are_not_there_are_options_that_do_not_fit():
    with pytest.raises(OptionError, match='--id "k": no such column; columns: id, time'):
        long(id="k")
    with pytest.raises(OptionError, match='column "x" is named by two options'):
        long(features=("x",), label="x")


def test_a_cell_may_hold_the_letters_of_a_sequence():
    frame = pd.DataFrame({"label": [1, 0], "seq": ["ACGTN", "ggta"], "split": ["a", "b"]})
    table = read_table(frame)
    name = letters_in(table, Columns(), certain=False)
    assert name == "seq"
    source = read_letters(table, name, Columns())
    assert [(raw.steps, raw.answer) for raw in source.raws] == [("ACGTN", 1), ("ggta", 0)]
    assert source.kind == "dna"
    assert source.facts[-1] == "not used: split"
    assert letters_in(read_table(LONG), Columns(), certain=False) is None
    with pytest.raises(DataError, match="none clearly holds the letters"):
        read_letters(table, None, Columns())
