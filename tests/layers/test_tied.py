"""A head that is the table: one matrix, whatever happens to it."""

import copy

import pytest
import torch

from recurra import GRU, Embedding, Stack, Stream
from recurra.errors import OptionError
from recurra.layers import Tied


def network(width=6, **options):
    torch.manual_seed(0)
    table = Embedding(11, 6)
    return Stack([table, GRU(6, width), Tied(table, width, **options)])


@pytest.mark.parametrize("width", [6, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_scores_are_products_with_the_table(width, bias):
    stack = network(width, bias=bias).double()
    table, cell, head = stack.layers
    if bias:
        torch.nn.init.uniform_(head.bias)
    ids = torch.randint(0, 11, (3, 5))
    y, _ = stack.sequence(ids)
    h, _ = cell.sequence(table.weight[ids])
    want = h if width == 6 else h @ head.project.weight.T
    want = want @ table.weight.T + (head.bias if bias else 0)
    torch.testing.assert_close(y, want)
    assert (head.project is None) == (width == 6)


def test_it_is_one_parameter_with_one_gradient_of_both_uses():
    stack = network().double()
    table = stack.layers[0].weight
    assert sum(each is table for each in stack.parameters()) == 1
    ids = torch.randint(0, 11, (3, 5))
    stack.sequence(ids)[0].square().sum().backward()
    parts = []
    for used in (0, 2):
        one = Embedding(11, 6).double()
        one.weight.data = table.data.clone()
        other = copy.deepcopy(stack)
        if used == 0:
            other.layers[0] = one
        else:
            other.layers[2].embedding = one
        other.sequence(ids)[0].square().sum().backward()
        parts.append(one.weight.grad)
    torch.testing.assert_close(table.grad, sum(parts))


def test_it_stays_tied_under_copies_types_training_and_state_dicts():
    stack = copy.deepcopy(network()).double().half().float()
    assert stack.layers[2].embedding is stack.layers[0]
    names = [*stack.state_dict()]
    assert "layers.0.weight" in names
    assert "layers.2.embedding.weight" in names
    other = network()
    with torch.no_grad():
        other.layers[0].weight.zero_()
    other.load_state_dict(stack.state_dict())
    assert torch.equal(other.layers[2].embedding.weight, stack.layers[0].weight)
    optimizer = torch.optim.SGD(stack.parameters(), lr=0.1)
    ids = torch.randint(0, 11, (3, 5))
    stack.sequence(ids)[0].square().sum().backward()
    optimizer.step()
    assert torch.equal(stack.layers[2].embedding.weight, stack.layers[0].weight)
    empty = network().to("meta").to_empty(device="cpu")
    assert empty.layers[2].embedding.weight is empty.layers[0].weight


def test_a_stream_of_it_has_the_bits_of_the_sequence():
    stack = network().eval().requires_grad_(False)
    ids = torch.randint(0, 11, (2, 9))
    y, _ = stack.sequence(ids)
    stream = Stream(stack, 2)
    assert "natively" in repr(stream)
    assert torch.equal(torch.stack([stream.push(ids[:, t]) for t in range(9)], 1), y)


def test_a_size_that_does_not_fit_is_refused():
    with pytest.raises(OptionError, match=r"^Tied: input_size is 0, it must be at least 1$"):
        Tied(Embedding(3, 4), 0)
