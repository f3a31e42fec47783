"""Vectors of words from a table and from their letters."""

import pytest
import torch

from recurra.cells import CELLS, GRU, LSTM
from recurra.errors import OptionError
from recurra.models import UNKNOWN, WordFeatures

LETTERS = torch.tensor([[1, 2, 3], [4, 0, 0], [2, 2, 0]])
COUNTS = torch.tensor([3, 1, 2])
WORDS = torch.tensor([[1, 2, 3, 1], [2, 0, 0, 0]])
INDEX = torch.tensor([[0, 1, 2, 0], [1, 0, 0, 0]])
LENGTHS = torch.tensor([4, 1])


def features(**more):
    torch.manual_seed(0)
    return WordFeatures(5, 3, 6, 2, **more).double().eval()


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "gated_deltanet"])
def test_a_word_is_its_row_beside_its_letters_read_from_both_ends(cell):
    model = features(cell=CELLS[cell])
    x = model(WORDS, LETTERS, COUNTS, INDEX)
    assert x.shape == (2, 4, model.output_size)
    for row, t in ((0, 0), (0, 1), (0, 2), (1, 0)):
        spelt = int(INDEX[row, t])
        vectors = model.letters.weight[LETTERS[spelt, : COUNTS[spelt]]][None]
        ahead, _ = model.spelling.forward_cell.sequence(vectors)
        back, _ = model.spelling.backward_cell.sequence(vectors.flip(1))
        parts = [model.words.weight[WORDS[row, t]], ahead[0, -1], back[0, -1]]
        torch.testing.assert_close(x[row, t], torch.cat(parts), rtol=1e-10, atol=1e-10)


def test_a_word_is_the_same_wherever_it_stands():
    x = features()(WORDS, LETTERS, COUNTS, INDEX)
    assert torch.equal(x[0, 0], x[0, 3])
    assert torch.equal(x[0, 1], x[1, 0])


def test_padding_has_no_influence_and_gives_nothing():
    model = features()
    x = model(WORDS, LETTERS, COUNTS, INDEX, LENGTHS)
    assert (x[1, 1:] == 0).all()
    letters, words, index = LETTERS.clone(), WORDS.clone(), INDEX.clone()
    letters[1, 1:], letters[2, 2:], words[1, 1:], index[1, 1:] = 99, 99, 99, 99
    assert torch.equal(model(words, letters, COUNTS, index, LENGTHS), x)
    wider = torch.nn.functional.pad(LETTERS, (0, 4))
    torch.testing.assert_close(model(WORDS, wider, COUNTS, INDEX, LENGTHS), x)
    alone = model(WORDS[1:, :1], LETTERS[1:2], COUNTS[1:2], torch.zeros(1, 1, dtype=torch.long))
    torch.testing.assert_close(alone[0], x[1, :1])


def test_gradients_reach_the_letters_of_words_and_not_the_padding():
    model = features()
    model(WORDS, LETTERS, COUNTS, INDEX, LENGTHS).sum().backward()
    letters, words = model.letters.weight.grad, model.words.weight.grad
    assert (letters[[1, 2, 3, 4]] != 0).any(dim=1).all()
    assert (letters[[0, 5]] == 0).all()
    assert torch.equal(words[:, 0], torch.tensor([0.0, 2, 2, 1, 0], dtype=torch.float64))


def test_in_training_some_words_are_taken_for_unknown():
    model = features(word_dropout=0.25).train()
    words = torch.full((50, 40), 3)
    index = torch.zeros_like(words)
    torch.manual_seed(1)
    x = model(words, LETTERS, COUNTS, index)
    known = (x[..., :3] == model.words.weight[3]).all(dim=-1)
    unknown = (x[..., :3] == model.words.weight[UNKNOWN]).all(dim=-1)
    assert (known ^ unknown).all()
    assert 0.2 < unknown.double().mean() < 0.3
    assert not (model.eval()(words, LETTERS, COUNTS, index)[..., :3] - x[..., :3])[known].any()


def test_what_does_not_fit_is_told():
    with pytest.raises(OptionError, match="WordFeatures: word_dropout is 1"):
        WordFeatures(5, 3, 6, 2, cell=GRU, word_dropout=1.0)
    with pytest.raises(OptionError, match="WordFeatures: char_size is 0"):
        WordFeatures(5, 3, 6, 0, cell=LSTM)
