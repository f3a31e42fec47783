"""Sequences as one vector, against sums by hand; padding has no weight."""

import pytest
import torch

from recurra.errors import OptionError, UnsupportedError
from recurra.layers import POOLINGS, Pooling

LENGTHS = torch.tensor([5, 2, 0, 1])


def pooling(*kinds):
    torch.manual_seed(0)
    return Pooling(3, kinds or POOLINGS).double()


def outputs():
    torch.manual_seed(1)
    return torch.randn(4, 5, 3, dtype=torch.float64)


def by_hand(layer, y, kind):
    """Of the true steps of one row, (n, H)."""
    if kind == "mean":
        return y.mean(dim=0)
    if kind == "max":
        return y.amax(dim=0)
    if kind == "last":
        return y[-1]
    weight = torch.exp(layer.query(torch.tanh(layer.project(y))))
    return (weight * y).sum(dim=0) / weight.sum()


@pytest.mark.parametrize("kind", POOLINGS)
def test_each_kind_is_what_its_equation_says(kind):
    layer, y = pooling(kind), outputs()
    found = layer(y, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        expected = by_hand(layer, y[row, :length], kind) if length else torch.zeros(3).double()
        torch.testing.assert_close(found[row], expected, rtol=1e-12, atol=1e-12)
    whole = torch.stack([by_hand(layer, each, kind) for each in y])
    torch.testing.assert_close(layer(y), whole, rtol=1e-12, atol=1e-12)


def test_several_kinds_stand_side_by_side_in_their_order():
    y = outputs()
    layer = pooling("max", "mean")
    assert layer.output_size == 6
    found = layer(y, LENGTHS)
    assert torch.equal(found[:, :3], pooling("max")(y, LENGTHS))
    assert torch.equal(found[:, 3:], pooling("mean")(y, LENGTHS))


@pytest.mark.parametrize("spoil", [float("nan"), float("inf"), -1e30, 1e30])
def test_padding_has_no_influence_and_no_gradient(spoil):
    layer, y = pooling(), outputs()
    dead = torch.arange(5) >= LENGTHS[:, None]
    spoilt = y.masked_fill(dead[..., None], spoil).requires_grad_()
    found = layer(spoilt, LENGTHS)
    assert torch.equal(found, layer(y, LENGTHS))
    found.sum().backward()
    assert (spoilt.grad[dead] == 0).all()
    assert (spoilt.grad[~dead].abs().sum(dim=-1) > 0).all()
    wider = torch.nn.functional.pad(y, (0, 0, 0, 7))
    torch.testing.assert_close(layer(wider, LENGTHS), found)


def test_gradients_are_those_of_the_equations():
    layer, y = pooling(), outputs().requires_grad_()
    parameters = tuple(layer.parameters())

    def run(y, *parameters):
        del parameters
        return layer(y, LENGTHS)

    assert torch.autograd.gradcheck(run, (y, *parameters))


def test_nothing_at_all_gives_nothing():
    empty = torch.zeros(2, 0, 3, dtype=torch.float64)
    assert torch.equal(pooling()(empty, torch.tensor([0, 0])), torch.zeros(2, 12).double())
    assert pooling()(empty[:0], torch.tensor([], dtype=torch.long)).shape == (0, 12)


@pytest.mark.parametrize("kinds", [(), ("median",), ("max", "max")])
def test_other_kinds_are_refused(kinds):
    with pytest.raises(
        OptionError, match=r"it is one or more of mean, max, attention, last, each once"
    ):
        Pooling(3, kinds)


def test_what_was_read_backwards_ends_at_the_first_step():
    y = outputs()
    found = Pooling(3, ("last",), ahead=2).double()(y, LENGTHS)
    assert torch.equal(found[0], torch.cat([y[0, 4, :2], y[0, 0, 2:]]))
    assert torch.equal(found[1], torch.cat([y[1, 1, :2], y[1, 0, 2:]]))
    assert torch.equal(found[2], torch.zeros(3).double())


@pytest.mark.parametrize("cuts", [(5,), (1, 4), (0, 2, 3), (1, 1, 1, 1, 1)])
def test_chunk_after_chunk_gives_what_the_whole_gives(cuts):
    layer, y = pooling(), outputs() * 50
    memory, begin = layer.begin(y), 0
    for steps in cuts:
        chunk = y[:, begin : begin + steps]
        memory = layer.feed(memory, chunk, (LENGTHS - begin).clamp(0, steps))
        begin += steps
    torch.testing.assert_close(layer.finish(memory), layer(y, LENGTHS), rtol=1e-12, atol=1e-12)


def test_the_end_that_is_yet_to_come_is_not_pooled_in_chunks():
    with pytest.raises(UnsupportedError, match="a network that reads forwards alone"):
        Pooling(3, ("mean",), ahead=2).begin(torch.zeros(1))
