"""Penalties on outputs, against sums by hand."""

import pytest
import torch

from recurra.layers import activation_penalty, temporal_activation_penalty


def by_hand(y, lengths, reset):
    squares, changes = [], []
    for b, length in enumerate(lengths):
        for t in range(length):
            squares.append((y[b, t] ** 2).mean())
            if t and not reset[b, t]:
                changes.append(((y[b, t] - y[b, t - 1]) ** 2).mean())
    return torch.stack(squares).mean(), torch.stack(changes).mean()


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_they_are_means_over_what_is_there(shape):
    torch.manual_seed(0)
    y = torch.randn(4, 6, *shape, dtype=torch.float64)
    lengths, reset = [6, 3, 0, 1], torch.rand(4, 6) < 0.3
    small, slow = by_hand(y, lengths, reset)
    spoilt = y.clone()
    spoilt[1, 3:] = float("nan")
    at = torch.tensor(lengths)
    torch.testing.assert_close(activation_penalty(spoilt, at), small)
    torch.testing.assert_close(temporal_activation_penalty(spoilt, at, reset), slow)
    torch.testing.assert_close(activation_penalty(y), y.square().mean())
    torch.testing.assert_close(temporal_activation_penalty(y), y.diff(dim=1).square().mean())


def test_padding_gets_no_gradient():
    y = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([2, 4])
    (activation_penalty(y, lengths) + temporal_activation_penalty(y, lengths)).backward()
    assert not y.grad[0, 2:].any()
    assert y.grad[0, :2].all()

    def both(y):
        return activation_penalty(y, lengths), temporal_activation_penalty(y, lengths)

    assert torch.autograd.gradcheck(both, y)


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 1, 2)])
def test_of_nothing_they_are_nothing(shape):
    y = torch.ones(shape)
    assert temporal_activation_penalty(y) == 0
    assert activation_penalty(y) == (1 if y.numel() else 0)
    assert activation_penalty(y, torch.zeros(shape[0], dtype=torch.int64)) == 0
