"""A history in lines and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.train import Epoch, History

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
EPOCHS = st.lists(
    st.builds(
        Epoch, st.integers(1, 99), st.integers(1, 9**9), NUMBER, NUMBER, NUMBER, NUMBER, NUMBER
    ),
    min_size=1,
    max_size=5,
)
GOOD = Epoch(1, 3, 0.5, 1.0, 2.0, 0.001, 0.25)


@given(EPOCHS, st.sampled_from(["epochs", "patience", "minutes", "interrupted"]))
def test_lines_and_back(epochs, ended):
    history = History(epochs, ended)
    lines = list(history.lines())
    assert all(line.count("\n") == 1 and line.endswith("\n") for line in lines)
    assert History.from_lines("".join(lines).splitlines(), ended) == history


def line(**changes: object) -> str:
    return json.dumps({**json.loads(next(History([GOOD]).lines())), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "{}",
        line(epoch="1"),
        line(epoch=1.0),
        line(train_loss=1),
        line(more=2),
        line(valid_loss=float("nan")),
        line(valid_loss=float("inf")),
        line(seconds=[1.0]),
        "[" * 100_000,
    ],
    ids=range(13),
)
def test_what_is_no_epoch_is_refused(text):
    with pytest.raises((ValueError, TypeError, RecursionError)):
        History.from_lines([next(History([GOOD]).lines()), text], "epochs")


def test_no_line_is_no_history():
    with pytest.raises(ValueError, match="no epoch"):
        History.from_lines([], "epochs")
