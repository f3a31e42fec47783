"""The bench of a large text at a small size: its rows, its noise, its walk through the text."""

import numpy as np
import torch
from bench.large_text import PLACES, Walk, rows, write_text
from bench.overhead import Language
from bench.timing import Budget

from bench import large_text
from recurra.data import byte_tokens
from recurra.train import Plan, Truncated, train


def test_a_step_is_measured_beside_the_same_step_in_memory(tmp_path, monkeypatch):
    for name in ("STREAMS", "WINDOW", "HIDDEN"):
        monkeypatch.setattr(large_text, name, 4)
    write_text(tmp_path / "x.txt", 100_000)
    found = list(large_text._beside("text", tmp_path / "x.txt", Budget(0.0, 1), 10))
    clocks = ["CPU a step", "wall a step", "CPU a step, ahead", "wall a step, ahead"]
    assert [row.metric for row in found] == clocks
    assert all(row.value > 0 and row.peer_value > 0 for row in found)


def test_the_peak_is_that_of_a_process_of_its_own(tmp_path):
    write_text(tmp_path / "x.txt", 200_000)
    assert 50 < large_text._peak("file", tmp_path / "x.txt", 2) < 2000


def test_what_is_not_wanted_is_not_measured():
    assert not list(rows("something else", Budget(0.0, 1)))


def test_the_text_is_as_long_as_told_and_no_piece_is_another(tmp_path):
    write_text(tmp_path / "x.txt", (1 << 24) + 5000)
    text = byte_tokens(tmp_path / "x.txt")
    assert len(text) == (1 << 24) + 5000
    same = np.mean(text[:5000] == text[1 << 24 :])
    assert 0.9 < same < 1


def test_a_walk_begins_all_over_the_text():
    text = np.arange(100_000) % 251
    lesson = Truncated(Language(256, 4), text, streams=2, window=5)
    walk = Walk(lesson, 20)
    windows = list(walk.batches(1, 0))
    assert len(windows) == len(walk.cpu) == 20
    begins = np.array([window.inputs[0, 0] for window in windows[:: 20 // PLACES]])
    wanted = np.linspace(0, lesson.steps - 2, PLACES).astype(int) * 5 % 251
    np.testing.assert_array_equal(begins, wanted)


def test_prepared_ahead_it_learns_the_same():
    def learn(beside):
        torch.manual_seed(0)
        text = np.random.default_rng(0).integers(0, 256, 5000)
        lesson = Truncated(Language(256, 4), text, streams=2, window=5, valid=text[:100])
        return train(Walk(lesson, 20, beside=beside), Plan(epochs=2, quiet=True)).best.valid_loss

    assert learn(False) == learn(True)
