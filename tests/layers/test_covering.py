"""Attention with coverage, and what looking twice costs."""

import pytest
import torch

from recurra.errors import OptionError, ShapeError
from recurra.layers.attention import Covering, Memory, Reading, coverage_loss


def test_it_is_its_equations():
    torch.manual_seed(0)
    attention = Covering(4, 3, 6, 8).double()
    q, m = torch.randn(2, 3, 4).double(), torch.randn(2, 5, 3).double()
    W, U, w = attention.query, attention.key.weight, attention.cover.weight[:, 0]
    state, covered = attention.initial_state(2), torch.zeros(2, 5).double()
    for t in range(3):
        found = attention.find(q[:, t], state, Memory(m))
        state = found.state
        for b in range(2):
            inner = [W(q[b, t]) + U @ m[b, j] + w * covered[b, j] for j in range(5)]
            e = torch.stack([attention.score.weight[0] @ torch.tanh(each) for each in inner])
            a = torch.softmax(e, 0)
            torch.testing.assert_close(found.shares[b], a)
            torch.testing.assert_close(found.read[b], a @ m[b])
            covered[b] += a
        torch.testing.assert_close(state.covered[:, :5], covered)
        assert not state.covered[:, 5:].any()


def summed(shares, lengths):
    """The loss step by step."""
    costs = []
    for row, length in zip(shares, lengths, strict=True):
        covered = torch.zeros_like(row[0])
        for a in row[:length]:
            costs.append(torch.minimum(a, covered).sum())
            covered = covered + a
    return torch.stack(costs).mean()


def test_the_loss_is_the_mean_over_true_steps():
    torch.manual_seed(0)
    shares = torch.rand(3, 4, 5).double().softmax(-1)
    lengths = torch.tensor([4, 0, 2])
    torch.testing.assert_close(coverage_loss(shares), summed(shares, [4, 4, 4]))
    shares[1] = float("nan")
    shares[2, 2:] = float("nan")
    shares.requires_grad_()
    loss = coverage_loss(shares, lengths)
    torch.testing.assert_close(loss, summed(shares, lengths))
    (slope,) = torch.autograd.grad(loss, shares)
    assert not slope[1].any()
    assert not slope[2, 2:].any()
    assert slope.isfinite().all()
    assert slope[0].any()


def test_looking_twice_costs_and_looking_once_does_not():
    once = torch.eye(4)[None]
    assert coverage_loss(once) == 0
    assert coverage_loss(once[:, [0, 0, 0, 0]]) == 0.75
    assert coverage_loss(once[:, :0]) == 0
    assert coverage_loss(once, torch.tensor([0])) == 0


def test_the_loss_teaches_it_to_look_elsewhere():
    torch.manual_seed(0)
    cell, q = Reading(Covering(2, 3, 8, 4), show=4), torch.ones(1, 4, 2)
    memory = Memory(torch.randn(1, 4, 3))

    def loss():
        return coverage_loss(cell.sequence(q, context=memory)[0][..., 3:])

    before, optimizer = loss().item(), torch.optim.Adam(cell.parameters(), 0.1)
    for _ in range(30):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < before / 3


def test_what_does_not_fit_is_refused():
    with pytest.raises(OptionError, match=r"^Covering: places is 0, it must be at least 1$"):
        Covering(4, 3, 5, 0)
    made = Covering(4, 3, 5, 2)
    with pytest.raises(ShapeError, match=r"^Covering: the memory has 3 places, the most are 2$"):
        made.find(torch.ones(1, 4), made.initial_state(1), Memory(torch.ones(1, 3, 3)))
