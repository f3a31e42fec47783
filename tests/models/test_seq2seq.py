"""Sequence to sequence: teacher forcing, speaking step by step, and what must not matter."""

import pytest
import torch

from recurra.layers.runners import Native
from recurra.models import ATTENTIONS, Source, Target, build_seq2seq

SMALL = {
    "source_size": 9,
    "target_size": 7,
    "begin": 6,
    "cell": "lstm",
    "hidden_size": 6,
    "embedding_size": 5,
    "heads": 2,
    "places": 12,
}
SOURCE = Source(
    torch.tensor([[1, 2, 3, 4, 8], [5, 5, 7, 0, 0], [2, 0, 0, 0, 0]]),
    torch.tensor([5, 3, 1]),
    torch.tensor([[1, 2, 3, 7, 8], [5, 5, 7, 0, 0], [2, 0, 0, 0, 0]]),
)
TARGET = Target(
    torch.tensor([[3, 1, 4, 6], [5, 6, -1, -1], [0, 2, 6, -1]]), torch.tensor([4, 2, 3])
)


def network(attention="additive", **more):
    torch.manual_seed(0)
    made = build_seq2seq(**SMALL | {"attention": attention} | more).double()
    # Weights of some size, so that nothing is all but even.
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made


@pytest.mark.parametrize("copy", [False, True], ids=["", "copy"])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_speaker_says_the_nats(attention, copy):
    net = network(attention, copy=copy, decoder_layers=2, dropout=0.3)
    nats = net.nats(SOURCE, TARGET)
    speaker = net.speaker(SOURCE, copies=2)
    assert isinstance(speaker._runner, Native)
    said = torch.full((6,), SMALL["begin"])
    for t in range(TARGET.ids.shape[1]):
        logs = speaker.step(said)
        torch.testing.assert_close(logs.exp().sum(1), torch.ones(6).double())
        said = TARGET.ids[:, t].clamp(min=0).repeat_interleave(2)
        found = -logs.gather(1, said[:, None]).view(3, 2)
        there = t < TARGET.lengths
        torch.testing.assert_close(
            found[there], nats[there, t : t + 1].expand(-1, 2), rtol=0, atol=1e-10
        )
