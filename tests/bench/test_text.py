"""The bench of language models at a small size: both sides learn, from the same windows."""

import pytest
import torch
from bench.text import TORCH, B, E, Modules, T, V, beside
from bench.timing import Budget
from torch import nn

from bench import text
from recurra.cells import CELLS
from recurra.models import LanguageNetwork
from recurra.train import Truncated


@pytest.mark.parametrize("name", TORCH)
def test_torchs_modules_are_the_same_network(name):
    ours = LanguageNetwork(V, [CELLS[name](E, 5)])
    theirs = Modules(TORCH[name](E, 5, batch_first=True), V)
    with torch.no_grad():
        table, cell, head = ours.as_cell().layers
        theirs.table.weight.copy_(table.weight)
        theirs.head.load_state_dict(head.project.state_dict())
        theirs.layer.load_state_dict({f"{n}_l0": v for n, v in cell.state_dict().items()})
    lessons = [Truncated(each, text._text(), streams=B, window=T) for each in (ours, theirs)]
    for _, window in zip(range(2), lessons[0].batches(1, 0), strict=False):
        losses = [lesson.loss(window) for lesson in lessons]
        torch.testing.assert_close(*losses)


def test_a_step_is_timed_beside_torchs():
    found = [*beside("gru", "gru", "float32", 1, Budget(0.0, 2), 4)]
    assert [row.peer for row in found] == [f"torch nn.{nn.GRU.__name__}"] * 2
    assert found[1].value == pytest.approx(1e3 * B * T / found[0].ours_ms)
