import pytest
import torch
from tests.engine.subjects import FEATURED

from recurra.cells import CELLS, GRU, LSTM
from recurra.engine import leaves, loop
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers import Bidirectional, Each, Embedding, Stack

every_cell = pytest.mark.parametrize("name", FEATURED)


def deep(name, dropout=0.5):
    torch.manual_seed(0)
    make = CELLS[name]
    inner = Stack([make(5, 6), make(6, 4)], dropout)
    return Stack([make(3, 5), inner, make(4, 2)], dropout).double().train()


@every_cell
@pytest.mark.parametrize("lengths", [None, [3, 0, 5]])
def test_training_with_a_fixed_context_is_its_steps(name, lengths):
    stack, x = deep(name), torch.randn(3, 5, 3, dtype=torch.float64, requires_grad=True)
    context = stack.sample_context(3)
    if lengths is None:
        y, last = stack.sequence(x, context=context)
        want, want_last = loop(stack.step, x, stack.initial_state(3), context)
        torch.testing.assert_close(last, want_last, rtol=1e-12, atol=1e-12)
    else:
        y, _ = stack.sequence(x, context=context, lengths=torch.tensor(lengths))
        whole, _ = loop(stack.step, x, stack.initial_state(3), context)
        alive = torch.arange(5) < torch.tensor(lengths)[:, None]
        want = torch.where(alive[..., None], whole, 0.0)
    torch.testing.assert_close(y, want, rtol=1e-12, atol=1e-12)
    inputs = [x, *stack.parameters()]
    got = torch.autograd.grad(y.square().sum(), inputs)
    expected = torch.autograd.grad(want.square().sum(), inputs)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@every_cell
def test_training_draws_masks_that_last_a_sequence(name):
    stack, x = deep(name), torch.randn(3, 5, 3, dtype=torch.float64)
    torch.manual_seed(5)
    y, _ = stack.sequence(x)
    torch.manual_seed(5)
    same, _ = stack.sequence(x, context=stack.sample_context(3))
    other, _ = stack.sequence(x)
    assert torch.equal(y, same)
    assert not torch.equal(y, other)


def test_masks_keep_the_mean_and_spare_the_last_layer():
    stack = Stack([GRU(3, 500), GRU(500, 400), GRU(400, 2)], dropout=0.25)
    masks = stack.sample_context(20).masks
    assert masks[2] is None
    for mask, width in zip(masks, (500, 400), strict=False):
        assert mask.shape == (20, width)
        assert mask.unique().tolist() == [0, pytest.approx(4 / 3)]
        assert mask.mean() == pytest.approx(1, abs=0.05)


@every_cell
def test_evaluation_drops_nothing(name):
    stack = deep(name).eval()
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    assert stack.sample_context(2) is None
    y, _ = stack.sequence(x)
    assert torch.equal(y, stack.sequence(x)[0])
    torch.testing.assert_close(y, loop(stack.step, x, stack.initial_state(2))[0])


def test_one_layer_has_nothing_to_drop():
    stack = Stack([GRU(3, 4)], dropout=0.5)
    assert stack.sample_context(2) is None
    y, _ = stack.step(torch.zeros(2, 3), stack.initial_state(2))
    assert y.shape == (2, 4)


def test_outputs_of_layers_without_a_state_are_dropped_as_well():
    stack = Stack([Embedding(5, 300), Each(torch.nn.Linear(300, 200)), GRU(200, 2)], 0.5)
    masks = stack.double().sample_context(20).masks
    assert [mask.shape for mask in masks[:2]] == [(20, 300), (20, 200)]
    assert masks[0].dtype == torch.float64
    y, _ = stack.sequence(torch.randint(0, 5, (20, 3)))
    assert y.shape == (20, 3, 2)


def test_sizes_and_state():
    stack = Stack([GRU(3, 5), LSTM(5, 2)])
    assert (stack.input_size, stack.output_size) == (3, 2)
    gru, lstm = stack.initial_state(4)
    assert [part.shape for part in leaves((gru, lstm))] == [(4, 5), (4, 2), (4, 2)]


def test_a_step_while_training_asks_for_its_masks():
    stack = Stack([GRU(3, 4), GRU(4, 5)], dropout=0.5)
    message = "takes its dropout masks from the context; draw them once per sequence with sample_c"
    with pytest.raises(OptionError, match=message):
        stack.step(torch.zeros(2, 3), stack.initial_state(2))


def test_a_bidirectional_layer_has_no_step():
    stack = Stack([GRU(3, 4), Bidirectional(GRU(4, 2), LSTM(4, 3)), GRU(5, 1)], dropout=0.5)
    message = "^Stack: layer 1 is Bidirectional and has no step, because its backward cell begins"
    with pytest.raises(UnsupportedError, match=message):
        stack.step(torch.zeros(2, 3), stack.initial_state(2))
    y, state = stack.sequence(torch.zeros(2, 6, 3))
    assert y.shape == (2, 6, 1)
    assert state[1].backward.c.shape == (2, 3)


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"^Stack: layer 1 takes 5 features, layer 0 gives 4$"):
        Stack([GRU(3, 4), GRU(5, 4)])
    with pytest.raises(OptionError, match=r"^Stack: layers is empty, it must hold at least one$"):
        Stack([])
    with pytest.raises(OptionError, match=r"^Stack: dropout is 1\.0, it must lie in \[0, 1\)$"):
        Stack([GRU(3, 4)], dropout=1.0)


def test_a_sequence_that_does_not_fit_is_refused():
    stack = Stack([GRU(4, 5), LSTM(5, 2)])
    x = torch.ones(2, 3, 4)
    cases = {
        "Stack: x has 3 features, the cell takes 4": (torch.ones(2, 3, 3), None),
        "Stack: state has 1 parts, the cell takes 2": (x, stack.initial_state(2)[:1]),
        "Stack: state[1] is a GRUState, the cell takes a LSTMState": (
            x,
            (stack.initial_state(2)[0],) * 2,
        ),
        "Stack: state[0].h has shape (3, 5), this batch takes (2, 5)": (x, stack.initial_state(3)),
    }
    for message, arguments in cases.items():
        with pytest.raises(ShapeError) as caught:
            stack.sequence(*arguments)
        assert str(caught.value) == message
