"""Copying: nats are those of the mixture, which is a distribution."""

import torch

from recurra.models.copying import mixed_nats, mixture

torch.manual_seed(0)
SCORES, GATE = torch.randn(2, 3, 4).double(), torch.randn(2, 3).double()
SHARES = torch.softmax(torch.randn(2, 3, 5).double(), -1)
COPIED = torch.tensor([[0, 6, 6, 2, 4], [1, 1, 5, 3, 0]])


def logs():
    rows = (SCORES.flatten(0, 1), GATE.flatten(), SHARES.flatten(0, 1))
    return mixture(*rows, COPIED.repeat_interleave(3, 0), 7).view(2, 3, 7)


def test_a_mixture_is_a_distribution_and_what_is_copied_twice_counts_twice():
    p = logs().exp()
    torch.testing.assert_close(p.sum(-1), torch.ones(2, 3).double())
    pointed = 1 - torch.sigmoid(GATE)
    torch.testing.assert_close(p[0, :, 6], pointed[0] * (SHARES[0, :, 1] + SHARES[0, :, 2]))
    own = torch.sigmoid(GATE) * torch.softmax(SCORES, -1)[..., 1]
    torch.testing.assert_close(p[1, :, 1], own[1] + pointed[1] * SHARES[1, :, :2].sum(-1))
    assert not p[1, :, 6].any()


def test_nats_are_those_of_the_mixture():
    targets = torch.tensor([[0, 6, 1], [5, 3, -1]])
    found = mixed_nats(SCORES, GATE, SHARES, COPIED, targets)
    want = -logs().gather(2, targets.clamp(min=0)[..., None])[..., 0]
    torch.testing.assert_close(found, want.masked_fill(targets < 0, 0))
    smooth = mixed_nats(SCORES, GATE, SHARES, COPIED, targets, smoothing=0.2)
    even = -torch.log_softmax(SCORES, -1).mean(-1)
    torch.testing.assert_close(smooth, (0.8 * want + 0.2 * even).masked_fill(targets < 0, 0))


def test_what_is_all_but_impossible_has_finite_slopes():
    scores = SCORES.float().clone().requires_grad_()
    gate = torch.full((2, 3), 200.0, requires_grad=True)
    shares = torch.zeros(2, 3, 5, requires_grad=True)
    targets = torch.tensor([[0, 6, 1], [5, 3, -1]])
    mixed_nats(scores, gate, shares, COPIED, targets).sum().backward()
    assert all(each.grad.isfinite().all() for each in (scores, gate, shares))
