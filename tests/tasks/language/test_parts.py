"""Sizes, settings, verdicts and characters, each by itself."""

from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.data import fit_vocabulary
from recurra.tasks.language.measure import verdict
from recurra.tasks.language.setting import FITTING, Setting, cutoffs
from recurra.tasks.language.sizes import FEWEST_STEPS, LEAST_STREAMS, LEAST_WINDOW, fitting
from recurra.tasks.language.texts import Files, characters_of, hash_of, read

PLAIN = {
    "vocab_size": 30,
    "cell": "lstm",
    "hidden_size": 16,
    "num_layers": 2,
    "embedding_size": 12,
    "tied": False,
    "adaptive": False,
    "dropout": 0.1,
    "layer_dropout": 0.1,
    "embedding_dropout": 0.0,
    "input_dropout": 0.0,
    "weight_dropout": 0.0,
    "activation_penalty": 0.0,
    "temporal_penalty": 0.0,
}


@given(tokens=st.integers(60, 10**7), streams=st.integers(1, 4096), window=st.integers(1, 9999))
def test_sizes_never_grow_and_leave_a_window_in_every_stream(tokens, streams, window):
    rows, steps = fitting(tokens, streams, window)
    assert 1 <= rows <= streams
    assert 1 <= steps <= window
    assert rows == 1 or tokens // rows > steps or steps > LEAST_WINDOW
    if tokens >= FEWEST_STEPS * streams * window:
        assert (rows, steps) == (streams, window)
    elif tokens >= FEWEST_STEPS * LEAST_STREAMS * LEAST_WINDOW * 2:
        assert tokens >= FEWEST_STEPS * rows * steps or rows <= LEAST_STREAMS


@pytest.mark.parametrize("cell", FITTING)
def test_any_cell_over_features_fits(cell):
    assert Setting(**{**PLAIN, "cell": cell}).weights() > 30 * 12


def test_the_last_layer_of_several_is_as_wide_as_a_tied_table():
    tied = Setting(**{**PLAIN, "tied": True}).build()
    assert tied.body.output_size == 12
    assert tied.head.project is None
    alone = Setting(**{**PLAIN, "tied": True, "num_layers": 1}).build()
    assert alone.head.project is not None


@given(st.integers(2, 10**6))
def test_clusters_lie_in_any_vocabulary(size):
    edges = cutoffs(size)
    assert sorted(set(edges)) == list(edges)
    assert 0 < edges[0] <= edges[-1] < size


@pytest.mark.parametrize("kind", ["characters", "bytes", "words"])
def test_characters_are_counted_whatever_a_token_is(kind):
    text = "नमस्ते दुनिया 👩‍🚀 and so on\na second line\n"
    vocabulary = fit_vocabulary(kind, [text])
    assert characters_of(vocabulary.encode(text), vocabulary) == len(text)


def test_a_hash_is_of_the_text_and_of_what_a_token_is():
    characters, words = (fit_vocabulary(kind, ["a b c"]) for kind in ("characters", "words"))
    one, two = np.array([1, 2]), np.array([1, 3])
    found = {
        hash_of(characters, one),
        hash_of(characters, two),
        hash_of(words, one),
        hash_of(characters, one, two),
        hash_of(characters, one[:1], two),
    }
    assert len(found) == 5
    assert hash_of(characters, one.astype(np.uint8)) == hash_of(characters, one)


def test_files_that_were_an_open_text_go_with_the_object():
    files = Files(StringIO("some text"))
    (path,) = files.paths
    assert path.read_text() == "some text"
    assert read(files, fit_vocabulary("bytes", ["x"]), "file", "strict").name == "text"
    del files
    assert not path.exists()


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        (1.44, 1.79, "the model wins: 1.44 nats a token against 1.79 of the best baseline, b"),
        (2.0, 1.5, "the baseline b wins: 1.50 nats a token against the model's 2.00"),
        (1.501, 1.499, "the model and the best baseline, b, are level: 1.50 nats a token"),
    ],
)
def test_a_verdict_names_who_wins(mine, theirs, said):
    table = {"model": {"nats": mine}, "a": {"nats": 9.0}, "b": {"nats": theirs}}
    assert verdict(table) == said
