import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from recurra.cells import CELLS, GRU
from recurra.engine import leaves, reverse, reverse_reset
from recurra.errors import OptionError, ShapeError
from recurra.layers import Recurrent, Stack


@pytest.mark.parametrize("name", CELLS)
def test_forwards_it_is_the_cell(name):
    cell, x = CELLS[name](3, 4), torch.randn(2, 5, 3)
    y, state = Recurrent(cell)(x)
    want, want_state = cell.sequence(x)
    assert torch.equal(y, want)
    assert all(map(torch.equal, leaves(state), leaves(want_state)))


def test_reverse_flips_each_row_by_its_own_length():
    x = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]])
    flipped = reverse((x, x[..., None]), torch.tensor([4, 2, 0]))
    assert flipped[0].tolist() == [[4, 3, 2, 1], [6, 5, 7, 8], [9, 9, 9, 9]]
    assert torch.equal(flipped[1][..., 0], flipped[0])
    assert torch.equal(reverse(x), x.flip(1))


def test_reverse_reset_marks_where_a_piece_ends():
    reset = torch.tensor([[1, 0, 1, 0, 0], [0, 1, 1, 1, 0]]).bool()
    assert reverse_reset(reset).int().tolist() == [[0, 0, 0, 1, 0], [0, 0, 1, 1, 1]]
    ragged = reverse_reset(reset, torch.tensor([2, 3])).int()
    assert ragged[0, :2].tolist() == [0, 0]
    assert ragged[1, :3].tolist() == [0, 1, 1]
    assert reverse_reset(None) is None


def test_a_stack_runs_backwards_too():
    stack, x = Stack([GRU(3, 4), GRU(4, 2)]), torch.randn(2, 5, 3)
    y, _ = Recurrent(stack, reverse=True)(x)
    assert torch.equal(y, stack.sequence(x.flip(1))[0].flip(1))


def test_what_does_not_fit_is_refused():
    layer = Recurrent(GRU(4, 5), reverse=True)
    with pytest.raises(ShapeError, match=r"^Recurrent: x has 3 features, the cell takes 4$"):
        layer(torch.ones(2, 3, 3))
    with pytest.raises(ShapeError, match=r"^Recurrent: lengths range from 1 to 9, x has 0 to 3 "):
        layer(torch.ones(2, 3, 4), lengths=torch.tensor([1, 9]))
    with pytest.raises(ShapeError, match=r"^Recurrent: state\.h has shape \(1, 5\), this batch"):
        layer(torch.ones(2, 3, 4), layer.cell.initial_state(1))
    packed = pack_sequence([torch.ones(3, 4), torch.ones(2, 4)])
    message = "^Recurrent: lengths is given, but the PackedSequence has its own$"
    with pytest.raises(OptionError, match=message):
        layer(packed, lengths=torch.tensor([3, 2]))
