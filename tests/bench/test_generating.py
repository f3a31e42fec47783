"""The bench of writing at a small size: the same network on both sides, figures that are so."""

from argparse import Namespace

import pytest
import torch
from bench.generating import growth, rows, speed, untaught
from bench.timing import Budget

from bench import generating
from recurra.models import Choice


def test_speed_stands_beside_torch(monkeypatch):
    monkeypatch.setattr(generating, "PIECE", 3)
    row = speed("lstm 8", "float32", Choice(), Budget(0.0, 1), width=8)
    assert row.value > 0
    assert row.peer_value > 0
    assert (row.metric, row.unit) == ("generating", "chars/s")


def test_both_sides_are_one_network():
    learned = untaught(8)
    table, cell, head = learned.network.as_cell().layers
    layer = generating.of_torch(cell)
    ids = torch.tensor([[3, 1, 5]])
    with torch.no_grad():
        want, _ = learned.network(ids, learned.network.initial_state(1))
        found = head.project(layer(table.weight[ids])[0])
    torch.testing.assert_close(found, want)


def test_memory_is_that_of_the_process():
    row = growth(300)
    assert (row.case, row.unit) == ("300 characters", "MiB")
    assert abs(row.value) < 100


@pytest.mark.parametrize("only", ["something else", "text of"])
def test_what_is_not_wanted_is_not_measured(only):
    assert not [*rows(Namespace(only=only, quick=True))]
