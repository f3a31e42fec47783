"""The drop-in modules as stacks of cells, and as streams."""

import pytest
import torch
from torch.nn.utils.parametrizations import weight_norm

import recurra
from recurra import Stream
from recurra.errors import UnsupportedError
from recurra.nn import GRU, LSTM, RNN

MAKES = {
    "rnn": lambda **options: RNN(3, 5, nonlinearity="relu", **options),
    "lstm": lambda **options: LSTM(3, 5, **options),
    "projected": lambda **options: LSTM(3, 5, proj_size=2, **options),
    "gru": lambda **options: GRU(3, 5, **options),
}
every = pytest.mark.parametrize("name", MAKES)


@every
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_stack_is_the_module(name, layers, bidirectional):
    torch.manual_seed(0)
    module = MAKES[name](num_layers=layers, bidirectional=bidirectional, batch_first=True)
    x = torch.randn(2, 7, 3)
    y, last = module(x)
    stack = module.as_stack()
    other, state = stack.sequence(x)
    assert torch.equal(other, y)
    own = {id(weight) for weight in module.parameters()}
    assert {id(weight) for weight in stack.parameters()} == own
    first = state[0].forward if bidirectional else state[0]
    assert torch.equal(first.h, (last[0] if isinstance(last, tuple) else last)[0])


@every
def test_a_module_streams_with_its_own_bits(name):
    torch.manual_seed(0)
    module = MAKES[name](num_layers=2, dropout=0.5).eval()
    x = torch.randn(7, 2, 3)
    with torch.no_grad():
        y, _ = module(x)
    stream = Stream(module, 2)
    assert torch.equal(torch.stack([stream.push(x_t) for x_t in x]), y)


def test_a_model_of_torch_streams_once_it_is_accelerated():
    module = weight_norm(torch.nn.GRU(3, 5), "weight_hh_l0")
    with pytest.raises(UnsupportedError, match="got a ParametrizedGRU"):
        Stream(module)
    x = torch.randn(9, 1, 3)
    with torch.no_grad():
        y, _ = module(x)
        recurra.accelerate(module)
        stream = Stream(module)
    found = torch.stack([stream.push(x_t) for x_t in x])
    torch.testing.assert_close(found, y)


def test_both_directions_do_not_stream():
    with pytest.raises(UnsupportedError, match="Bidirectional has no step"):
        Stream(GRU(3, 5, bidirectional=True))


@every
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_gradient_of_x_lies_as_x_does(name, batch_first):
    module = MAKES[name](batch_first=batch_first)
    x = torch.randn(7, 2, 3).requires_grad_()
    seen = []
    x.register_hook(lambda gradient: seen.append(gradient.stride()))
    module(x)[0].sum().backward()
    assert seen == [x.stride()]
