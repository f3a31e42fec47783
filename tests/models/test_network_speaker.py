"""A network at work: its steps are its nats, wherever its rows have been."""

import pytest
import torch
from tests.models.rewriters import BEGIN, SOURCE, STRANGE, TARGET, alone, network

from recurra.layers.runners import Native
from recurra.models import ATTENTIONS, Source

CASES = [(name, False) for name in ATTENTIONS] + [("additive", True), ("general", True)]


def walk(net, speaker, target, rows):
    """The nats of rows that say their targets, and keep each time what `rows` says."""
    owners = torch.arange(3).repeat_interleave(speaker.rows // 3)
    said = torch.full((len(owners),), BEGIN)
    want = net.nats(SOURCE, target)
    for t, kept in enumerate(rows):
        logs = speaker.step(said)
        assert speaker.shares.shape == (len(owners), 5)
        there = t < target.lengths[owners]
        said = target.ids[owners, t].clamp(min=0)
        found = -logs.gather(1, said[:, None])[:, 0]
        yield found[there], want[owners, t][there]
        kept = torch.tensor(kept)
        speaker.keep(kept)
        owners, said = owners[kept], said[kept]
        assert speaker.rows == len(owners)


# In order; within their sources; more, fewer and again more of one; a few alone.
MOVES = [[0, 1, 2, 3, 4, 5], [1, 1, 3, 2, 5, 4], [5, 0, 3, 0, 1], [1, 3, 3]]


@pytest.mark.parametrize(("attention", "copy"), CASES)
def test_its_steps_are_the_nats_wherever_rows_have_been(attention, copy):
    net = network(attention, copy=copy, dropout=0.3).train()
    speaker = net.speaker(SOURCE, copies=2)
    assert net.training
    assert isinstance(speaker._runner, Native)
    for found, want in walk(net, speaker, STRANGE if copy else TARGET, MOVES):
        torch.testing.assert_close(found, want, rtol=0, atol=1e-10)


def test_what_users_run_is_close():
    net = network(copy=True).float()
    for found, want in walk(net, net.speaker(SOURCE, copies=2), STRANGE, MOVES):
        torch.testing.assert_close(found, want, rtol=0, atol=1e-5)
    rounded = net.speaker(SOURCE, copies=2, weights=torch.bfloat16)
    for found, want in walk(net, rounded, STRANGE, MOVES):
        torch.testing.assert_close(found, want, rtol=0.05, atol=0.05)


def test_many_rows_give_way_to_few():
    net = network("general")
    speaker = net.speaker(SOURCE, copies=8)
    speaker.step(torch.full((24,), BEGIN))
    speaker.keep(torch.tensor([9, 0, 17]))
    assert len(speaker._owners) == 3
    logs = speaker.step(TARGET.ids[[1, 0, 2], 0])
    found = -logs.gather(1, TARGET.ids[[1, 0, 2], 1][:, None])[:, 0]
    want = net.nats(SOURCE, TARGET)[[1, 0, 2], 1]
    torch.testing.assert_close(found, want, rtol=0, atol=1e-10)


def test_alone_and_among_others():
    net = network("location", copy=True)
    together = net.speaker(SOURCE).step(torch.full((3,), BEGIN))
    for b in range(3):
        logs = net.speaker(alone(b)[0]).step(torch.tensor([BEGIN]))
        size = logs.shape[1]
        torch.testing.assert_close(logs[0].exp(), together[b, :size].exp(), rtol=0, atol=1e-10)
        assert (together[b, size:] == -torch.inf).all()


def test_it_says_what_its_vocabulary_does_not_have():
    net = network(copy=True)
    with torch.no_grad():
        net.decoder.gate.bias.fill_(-60.0)
    speaker = net.speaker(SOURCE)
    assert speaker.size == 9
    logs = speaker.step(torch.full((3,), BEGIN))
    torch.testing.assert_close(logs.exp().sum(1), torch.ones(3).double(), rtol=0, atol=1e-10)
    for b in range(3):
        copied = SOURCE.copied[b, : SOURCE.lengths[b]]
        want = torch.zeros(9).double().index_add_(0, copied, speaker.shares[b, : len(copied)])
        torch.testing.assert_close(logs[b].exp(), want, rtol=0, atol=1e-10)
    assert logs[0, [7, 8]].isfinite().all()
    # And goes on from it, as from an unknown one.
    assert speaker.step(torch.tensor([8, 7, 2])).exp().sum() == pytest.approx(3)


def test_nothing_is_copied_from_a_source_without_places():
    net = network(copy=True)
    ids, lengths = torch.zeros(2, 3).long(), torch.tensor([0, 3])
    logs = net.speaker(Source(ids, lengths, ids)).step(torch.full((2,), BEGIN))
    torch.testing.assert_close(logs.exp().sum(1), torch.ones(2).double(), rtol=0, atol=1e-10)
