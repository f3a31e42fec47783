from typing import NamedTuple

import pytest
import torch

from recurra.engine import fresh, leaves, tree_map
from recurra.engine.tree import clear, unbind, where


class Pair(NamedTuple):
    a: object
    b: object


def nested():
    return Pair(torch.arange(6.0).view(2, 3), (torch.zeros(2), None, Pair(torch.ones(2, 1), ())))


def test_a_map_keeps_the_structure():
    doubled = tree_map(lambda x, y: x + y, nested(), nested())
    assert isinstance(doubled, Pair)
    assert isinstance(doubled.b[2], Pair)
    assert doubled.b[1] is None
    assert [leaf.shape for leaf in leaves(doubled)] == [(2, 3), (2,), (2, 1)]
    assert torch.equal(doubled.a, 2 * nested().a)


def test_a_map_refuses_trees_of_other_lengths():
    with pytest.raises(ValueError, match="shorter"):
        tree_map(torch.add, (torch.ones(1), torch.ones(1)), (torch.ones(1),))


def test_unbind_gives_one_tree_per_step():
    x = Pair(torch.randn(2, 3, 4), torch.arange(6).view(2, 3))
    steps = unbind(x)
    assert len(steps) == 3
    assert torch.equal(steps[1].a, x.a[:, 1])
    assert torch.equal(steps[2].b, x.b[:, 2])


def test_where_takes_whole_rows_and_stops_gradients():
    a, b = torch.full((2, 3), float("nan")).requires_grad_(), torch.ones(2, 3, requires_grad=True)
    mixed = where(torch.tensor([False, False]), (a,), (b,))[0]
    mixed.sum().backward()
    assert torch.equal(mixed, b)
    assert not a.grad.any()


def test_clear_keeps_the_type():
    dead = torch.tensor([[False, True]])
    for kind in (torch.float32, torch.int64, torch.bool):
        cleared = clear(dead, torch.ones(1, 2, 3, dtype=kind))
        assert cleared.dtype == kind
        assert cleared.sum() == 3


def test_fresh_copies_in_inference_alone():
    x = torch.randn(3, 4)
    view = x.t()[1:]
    assert fresh(view) is view
    with torch.no_grad():
        copy = fresh((view,))[0]
    assert copy.is_contiguous()
    assert copy.data_ptr() % 64 == 0
    assert torch.equal(copy, view)
