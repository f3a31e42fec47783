"""Scores of tags: over every cell, alone and among others, learned from."""

import pytest
import torch
from tests.engine.subjects import FEATURED

from recurra.cells import CELLS, LSTM
from recurra.errors import OptionError
from recurra.layers import CRF, Bidirectional, Stack
from recurra.models import WordFeatures, Words, WordTagger

K = 4


def tagger(cell=LSTM, *, crf=False, dropout=0.0, word_dropout=0.0, size=6):
    torch.manual_seed(0)
    features = WordFeatures(7, 3, 9, 4, cell=cell, word_dropout=word_dropout)
    layers, width = [], features.output_size
    for _ in range(2):
        layers.append(Bidirectional(cell(width, size), cell(width, size)))
        width = layers[-1].output_size
    model = WordTagger(features, Stack(layers), K, crf=CRF(K) if crf else None, dropout=dropout)
    return model.double().eval()


def batch(lengths=(5, 2, 1)):
    """Sentences with different words."""
    torch.manual_seed(1)
    W, T = sum(lengths), max(lengths)
    counts = torch.randint(1, 6, (W,))
    letters = torch.randint(1, 9, (W, int(counts.max())))
    letters[torch.arange(letters.shape[1]) >= counts[:, None]] = 0
    places = torch.zeros(len(lengths), T, dtype=torch.long)
    places[torch.arange(T) < torch.tensor(lengths)[:, None]] = torch.arange(W)
    words = torch.randint(7, places.shape)
    return Words(words, letters, counts, places, torch.tensor(lengths))


def alone(words, row):
    """One sentence without its neighbours."""
    length = int(words.lengths[row])
    own = words.places[row, :length]
    counts = words.counts[own]
    letters = words.letters[own][:, : int(counts.max())]
    places = torch.arange(length)[None]
    return Words(words.words[row : row + 1, :length], letters, counts, places, counts.new([length]))


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("cell", [name for name in FEATURED if name in ("lstm", "gru", "mingru")])
def test_a_sentence_is_the_same_alone_and_among_longer_ones(cell, crf):
    model, words = tagger(CELLS[cell], crf=crf).float(), batch()
    scores = model(words)
    tags, sure = model.best(scores, words.lengths)
    for row, length in enumerate(words.lengths.tolist()):
        one = alone(words, row)
        mine = model(one)
        torch.testing.assert_close(mine[0], scores[row, :length], rtol=1e-6, atol=1e-6)
        tag, confidence = model.best(mine, one.lengths)
        assert torch.equal(tag[0], tags[row, :length])
        torch.testing.assert_close(confidence[0], sure[row, :length], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("crf", [False, True])
def test_the_loss_is_a_words_share_of_log_p(crf):
    model, words = tagger(crf=crf), batch()
    scores, tags = model(words), torch.randint(K, words.words.shape)
    loss = model.loss(scores, tags, words.lengths)
    total = 0
    for row, length in enumerate(words.lengths.tolist()):
        mine, true = scores[row, :length], tags[row, :length]
        if crf:
            total -= model.crf.log_likelihood(mine[None], true[None])[0]
        else:
            total -= mine.log_softmax(1)[range(length), true].sum()
    torch.testing.assert_close(loss, total / words.lengths.sum())


@pytest.mark.parametrize("crf", [False, True])
def test_padding_has_no_influence(crf):
    model, words = tagger(crf=crf), batch()
    tags = torch.randint(K, words.words.shape)
    dead = torch.arange(words.words.shape[1]) >= words.lengths[:, None]
    spoilt = words._replace(
        words=words.words.masked_fill(dead, 99), places=words.places.masked_fill(dead, 99)
    )
    expected = model.loss(model(words), tags, words.lengths)
    found = model.loss(model(spoilt), tags.masked_fill(dead, 99), words.lengths)
    assert torch.equal(found, expected)


def test_dropout_holds_for_a_sentence():
    model = tagger(dropout=0.5).train()
    x = torch.ones(3, 7, 40, dtype=torch.float64)
    dropped = model._some_dropped(x)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped, dropped[:, :1].expand(-1, 7, -1))
    assert not torch.equal(dropped[0], dropped[1])
    assert model.eval()._some_dropped(x) is x
    with pytest.raises(OptionError, match="WordTagger: dropout is 1"):
        tagger(dropout=1.0)


@pytest.mark.parametrize("crf", [False, True])
def test_it_learns_what_only_a_neighbour_tells(crf):
    """A tag that is the word before it."""
    torch.manual_seed(0)
    model = tagger(crf=crf, size=8).float().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    letters, counts = torch.arange(1, 5)[:, None], torch.ones(4, dtype=torch.long)
    lengths = torch.tensor([6] * 8 + [3] * 8)
    for _ in range(60):
        places = torch.randint(4, (16, 6))
        tags = places.roll(1, dims=1)
        tags[:, 0] = 0
        words = Words(places + 1, letters, counts, places, lengths)
        scores = model(words)
        loss = model.loss(scores, tags, lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    best, sure = model.best(scores, lengths)
    true = torch.arange(6) < lengths[:, None]
    assert (best == tags)[true].float().mean() > 0.97
    assert sure[true].mean() > 0.8
