import pytest
import torch

from recurra.cells import CELLS, GRU, LSTM
from recurra.errors import ShapeError, UnsupportedError
from recurra.layers import Bidirectional, Recurrent, Stack


@pytest.mark.parametrize("name", CELLS)
def test_it_is_both_directions_side_by_side(name):
    torch.manual_seed(0)
    layer = Bidirectional(CELLS[name](3, 4), CELLS[name](3, 5))
    x, lengths = torch.randn(2, 6, 3), torch.tensor([6, 4])
    y, state = layer.sequence(x, lengths=lengths)
    ahead, forward = Recurrent(layer.forward_cell)(x, lengths=lengths)
    back, backward = Recurrent(layer.backward_cell, reverse=True)(x, lengths=lengths)
    assert torch.equal(y, torch.cat([ahead, back], dim=-1))
    assert torch.equal(state.forward.h, forward.h)
    assert torch.equal(state.backward.h, backward.h)
    # The last state is forward that of the last true step, backward that of the first.
    assert torch.equal(state.forward.h[1], y[1, 3, :4])
    assert torch.equal(state.backward.h[1], y[1, 0, 4:])


def test_noise_of_both_cells_is_drawn_once():
    halves = [Stack([GRU(3, 4), GRU(4, 4)], dropout=0.5) for _ in range(2)]
    layer, x = Bidirectional(*halves), torch.randn(2, 5, 3)
    context = layer.sample_context(2)
    y, _ = layer.sequence(x, context=context)
    assert torch.equal(y, layer.sequence(x, context=context)[0])
    assert not torch.equal(y, layer.sequence(x)[0])
    assert layer.eval().sample_context(2) is None


def test_it_has_no_step():
    layer = Bidirectional(GRU(3, 4), GRU(3, 4))
    message = "^Bidirectional: there is no step, because the backward cell begins at the end of"
    with pytest.raises(UnsupportedError, match=message):
        layer.step(torch.zeros(2, 3), layer.initial_state(2))


def test_what_does_not_fit_is_refused():
    message = "^Bidirectional: the backward cell takes 2 features, the forward cell 3$"
    with pytest.raises(ShapeError, match=message):
        Bidirectional(GRU(3, 4), LSTM(2, 4))
    layer = Bidirectional(GRU(3, 4), LSTM(3, 5))
    with pytest.raises(ShapeError, match=r"^Bidirectional: x has 2 features, the cell takes 3$"):
        layer.sequence(torch.ones(1, 2, 2))
    message = r"^Bidirectional: state\.backward\.c has shape \(2, 5\), this batch takes \(1, 5\)$"
    state = layer.initial_state(1)
    wrong = state.backward._replace(c=torch.zeros(2, 5))
    with pytest.raises(ShapeError, match=message):
        layer.sequence(torch.ones(1, 2, 3), state._replace(backward=wrong))
