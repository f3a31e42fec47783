"""The layers of a language network, read as features."""

import pytest
import torch

from recurra.cells import GRU, LSTM
from recurra.models import LanguageNetwork, Noise, Pieces, Pretrained, body_of
from recurra.train import unfrozen
from recurra.train.pace import part_of

V, E, H = 11, 3, 5


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield LanguageNetwork(V, [LSTM(E, 7), GRU(7, H)], noise=Noise(0.1, 0.2, 0.3, 0.4, 0.5))


def test_the_features_are_what_the_head_reads(network):
    network.double().eval()
    ids = torch.tensor([[4, 1, 9, 0, 2], [3, 3, 10, 0, 0]])
    h = Pretrained(network)(ids, torch.tensor([5, 3]))
    assert h.shape == (2, 5, H)
    assert not h[1, 3:].any()
    scores, _ = network(ids, network.initial_state(2))
    found, _ = network.head.sequence(h)
    torch.testing.assert_close(found[0], scores[0], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found[1, :3], scores[1, :3], rtol=1e-12, atol=1e-14)


def test_words_have_the_features_after_their_last_token(network):
    reader = Pretrained(network.eval())
    ids, lengths = torch.tensor([[4, 1, 9, 0, 2], [3, 3, 10, 0, 0]]), torch.tensor([5, 3])
    ends = torch.tensor([[1, 3, 4], [0, 2, 0]])
    words, h = reader.of_words(Pieces(ids, lengths, ends)), reader(ids, lengths)
    assert words.shape == (2, 3, H)
    for row in range(2):
        for word in range(3):
            assert torch.equal(words[row, word], h[row, ends[row, word]])


def test_layers_are_named_from_the_top_and_hold_every_weight(network):
    reader = Pretrained(network)
    names = reader.layers()
    assert names == ("body.layers.2", "body.layers.1", "body.layers.0")
    parts = [part_of(name, names) for name, _ in reader.named_parameters()]
    assert set(parts) == set(names)
    assert reader.layers("encoder")[2] == "encoder.body.layers.0"
    pace = unfrozen(["", *reader.layers("encoder")], 2)
    assert [factor > 0 for factor in pace.values()] == [True, True, False, False]


def test_the_weights_of_the_whole_hold_its_own(network):
    kept = body_of(network.state_dict())
    assert 0 < len(kept) < len(network.state_dict())
    with torch.random.fork_rng(devices=[]):
        other = Pretrained(LanguageNetwork(V, [LSTM(E, 7), GRU(7, H)], noise=network.noise))
    other.load_state_dict(kept)
    ids = torch.tensor([[4, 1, 9]])
    assert torch.equal(other.eval()(ids), Pretrained(network.eval())(ids))


def test_noise_between_the_layers_is_drawn_while_training(network):
    reader, ids = Pretrained(network.train()), torch.tensor([[4, 1, 9]])
    assert not torch.equal(reader(ids), reader(ids))
    reader(ids).sum().backward()
    assert all(p.grad is not None for p in reader.parameters())
