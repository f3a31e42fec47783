import pytest
import torch
from tests.engine.subjects import FEATURED

from recurra.cells import CELLS, GRU, LSTM
from recurra.engine import leaves, native
from recurra.errors import ShapeError, UnsupportedError
from recurra.layers import Bidirectional, Recurrent, Stack, bidirectional

OUTPUTS = ["elman", "gru", "lstm", "mingru"]  # whose state is the last output


@pytest.mark.parametrize("name", FEATURED)
def test_it_is_both_directions_side_by_side(name):
    torch.manual_seed(0)
    layer = Bidirectional(CELLS[name](3, 4), CELLS[name](3, 5))
    x, lengths = torch.randn(2, 6, 3), torch.tensor([6, 4])
    y, state = layer.sequence(x, lengths=lengths)
    ahead, forward = Recurrent(layer.forward_cell)(x, lengths=lengths)
    back, backward = Recurrent(layer.backward_cell, reverse=True)(x, lengths=lengths)
    assert torch.equal(y, torch.cat([ahead, back], dim=-1))
    assert all(map(torch.equal, leaves(state.forward), leaves(forward)))
    assert all(map(torch.equal, leaves(state.backward), leaves(backward)))
    if name in OUTPUTS:
        # The last state is forward that of the last true step, backward that of the first.
        assert torch.equal(state.forward.h[1], y[1, 3, :4])
        assert torch.equal(state.backward.h[1], y[1, 0, 4:])


class Own(GRU):
    """A cell with a sequence of its own."""

    def sequence(self, x, *given, **options):
        y, state = super().sequence(x, *given, **options)
        return 2 * y, state


LENGTHS = torch.tensor([6, 4, 0, 5, 1])
RESET = torch.zeros(5, 6, dtype=torch.bool)
RESET[0, [0, 3]] = RESET[1, 2] = True
OPTIONS = {
    "whole": {},
    "ragged": {"lengths": LENGTHS},
    "resets": {"lengths": LENGTHS, "reset": RESET},
    "checkpoints": {"lengths": LENGTHS, "checkpoint": 2},
}


def trained(layer, **options):
    """Outputs, last states and gradients."""
    torch.manual_seed(1)
    x = torch.randn(5, 6, 3, requires_grad=True)
    y, state = layer.sequence(x, **options)
    parts = [y, *leaves(state)]
    value = sum(part.square().sum() for part in parts)
    return [*parts, *torch.autograd.grad(value, [x, *layer.parameters()])]


@pytest.mark.parametrize("name", FEATURED)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_at_once_and_in_turn_give_the_same_bits(name, options, monkeypatch):
    torch.manual_seed(0)
    layer = Bidirectional(CELLS[name](3, 4), GRU(3, 5))
    found = trained(layer, **options)
    monkeypatch.setattr(bidirectional, "together", lambda *_, **__: None)
    assert all(map(torch.equal, found, trained(layer, **options)))


def test_both_directions_are_one_native_call(monkeypatch):
    jobs, inner = [], native.run

    def counted(given, threads):
        jobs.append([job.reverse for job in given])
        inner(given, threads)

    monkeypatch.setattr(native, "run", counted)
    trained(Bidirectional(LSTM(3, 4), GRU(3, 5)))
    assert jobs == [[False, True]] * 2  # forward and backward
    jobs.clear()
    trained(Bidirectional(LSTM(3, 4), GRU(3, 5)), reset=RESET)
    assert [len(each) for each in jobs] == [1] * 4


@pytest.mark.parametrize("place", [0, 1])
def test_a_cells_own_sequence_is_heard(place):
    torch.manual_seed(0)
    cells = [GRU(3, 4), GRU(3, 4)]
    y, _ = Bidirectional(*cells).sequence(x := torch.randn(2, 6, 3))
    own = Own(3, 4)
    own.load_state_dict(cells[place].state_dict())
    cells[place] = own
    columns = slice(4 * place, 4 * place + 4)
    want = y.clone()
    want[..., columns] *= 2
    assert torch.equal(Bidirectional(*cells).sequence(x)[0], want)


@pytest.mark.parametrize("frozen", [0, 1])
def test_one_direction_may_be_frozen(frozen):
    torch.manual_seed(0)
    layer = Bidirectional(LSTM(3, 4), GRU(3, 5))
    cells, x = (layer.forward_cell, layer.backward_cell), torch.randn(2, 6, 3)
    want = torch.autograd.grad(layer.sequence(x)[0].sum(), [*cells[1 - frozen].parameters()])
    cells[frozen].requires_grad_(False)
    found = torch.autograd.grad(layer.sequence(x)[0].sum(), [*cells[1 - frozen].parameters()])
    assert all(map(torch.equal, found, want))


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
    message = "^Bidirectional: there is no step, because its backward cell begins at the end of"
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
