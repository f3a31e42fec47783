"""Scores of texts: whatever the cell, a text is answered alike in any company."""

import pytest
import torch

from recurra.cells import CELLS, GRU
from recurra.errors import OptionError
from recurra.models import UNKNOWN, PooledClassifier, Spelt, WholeWords, WordFeatures

LETTERS = torch.tensor([[0, 0, 0], [1, 2, 3], [4, 0, 0], [2, 2, 0]])
COUNTS = torch.tensor([1, 3, 1, 2])
TEXTS = Spelt(
    words=torch.tensor([[1, 2, 3, 1, 4], [2, 0, 0, 0, 0], [3, 3, 0, 0, 0], [0, 0, 0, 0, 0]]),
    letters=LETTERS,
    counts=COUNTS,
    places=torch.tensor([[1, 2, 3, 1, 2], [2, 0, 0, 0, 0], [3, 3, 0, 0, 0], [0, 0, 0, 0, 0]]),
    lengths=torch.tensor([5, 1, 2, 0]),
)


def classifier(cell="gru", **more):
    torch.manual_seed(0)
    features = WordFeatures(5, 4, 6, 2, word_dropout=0.3)
    return PooledClassifier(features, CELLS[cell], hidden_size=4, classes=3, **more)


def whole():
    torch.manual_seed(0)
    return PooledClassifier(WholeWords(5, 4, word_dropout=0.3), GRU, hidden_size=4, classes=3)


def alone(row):
    length = max(1, int(TEXTS.lengths[row]))
    return TEXTS._replace(
        words=TEXTS.words[row : row + 1, :length],
        places=TEXTS.places[row : row + 1, :length],
        lengths=TEXTS.lengths[row : row + 1],
    )


@pytest.mark.parametrize("cell", ["gru", "lstm", "mingru", "elman", "mlstm", "mamba"])
def test_a_text_alone_and_among_longer_ones_has_the_same_probabilities(cell):
    model = classifier(cell).eval()
    together = torch.softmax(model(TEXTS), dim=1)
    assert together.shape == (4, 3)
    for row in range(4):
        torch.testing.assert_close(
            torch.softmax(model(alone(row)), dim=1)[0], together[row], rtol=0, atol=1e-6
        )


def test_what_stands_in_the_padding_has_no_influence():
    model = classifier(num_layers=2).double().eval()
    dead = torch.arange(5) >= TEXTS.lengths[:, None]
    other = TEXTS._replace(
        words=TEXTS.words.masked_fill(dead, 4), places=TEXTS.places.masked_fill(dead, 3)
    )
    torch.testing.assert_close(model(other), model(TEXTS), rtol=1e-12, atol=1e-12)


def test_the_order_of_words_counts():
    model = classifier().double().eval()
    backwards = alone(0)
    backwards = backwards._replace(words=backwards.words.flip(1), places=backwards.places.flip(1))
    assert (model(backwards) - model(alone(0))).abs().max() > 1e-3


def test_all_weights_learn_and_noise_is_there_while_learning_alone():
    model = classifier(num_layers=2, dropout=0.2)
    assert not torch.equal(model(TEXTS), model(TEXTS))
    model(TEXTS).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    model.eval()
    assert torch.equal(model(TEXTS), model(TEXTS))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"num_layers": 0}, "3 classes and 0 layers"),
        ({"dropout": 1.0}, "dropout is 1.0, it must lie in"),
        ({"pooling": ("median",)}, "kinds is median"),
    ],
)
def test_what_makes_no_network_is_refused(more, message):
    with pytest.raises(OptionError, match=message):
        classifier(**more)


def test_words_without_their_letters():
    model = whole().eval()
    together = model(TEXTS)
    for row in range(4):
        torch.testing.assert_close(model(alone(row))[0], together[row], rtol=0, atol=1e-6)
    other = TEXTS._replace(letters=LETTERS + 1, places=TEXTS.places * 0)
    assert torch.equal(model(other), together)


def test_some_words_are_unknown_while_learning():
    table = WholeWords(5, 4, word_dropout=0.5)
    x = table(TEXTS)[0, :5]
    unknown = (x == table.words.weight[UNKNOWN]).all(dim=1)
    known = (x == table.words.weight[TEXTS.words[0]]).all(dim=1)
    assert (unknown | known).all()
    assert unknown.any()
    assert known.any()
    assert not table(TEXTS)[1, 1:].any()
