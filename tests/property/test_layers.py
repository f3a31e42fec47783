"""Laws of direction: each row, and each sequence in a row, is run by itself."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.subjects import FEW, lifted
from torch.nn.functional import pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra.cells import CELLS
from recurra.engine import leaves, tree_map
from recurra.layers import Bidirectional, Recurrent, Stack

few = settings(max_examples=20, deadline=None, derandomize=True)


def backwards(make):
    return Recurrent(make(3, 4), reverse=True)


def both(make):
    return Recurrent(Bidirectional(make(3, 4), make(3, 5)))


def deep(make):
    first = Bidirectional(make(3, 2), make(3, 2))
    return Recurrent(Stack([first, make(4, 3), Bidirectional(make(3, 1), make(3, 2))]))


every_layer = pytest.mark.parametrize("shape", [backwards, both, deep])
every_cell = pytest.mark.parametrize("name", FEW)


def build(shape, name):
    torch.manual_seed(0)
    return shape(CELLS[name]).double()


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def random_state(layer, B):
    state = lifted(tree_map(torch.randn_like, layer.cell.initial_state(B)))
    return tree_map(torch.Tensor.requires_grad_, state)


def row(tree, b):
    return tree_map(lambda part: part[b : b + 1], tree)


def measure(y, state, inputs):
    parts = [y, *leaves(state)]
    value = sum((part * torch.linspace(-1, 2, part.numel()).view_as(part)).sum() for part in parts)
    if not value.requires_grad:  # no steps, and a cell without parameters
        return [*parts, *map(torch.zeros_like, inputs)]
    return [*parts, *torch.autograd.grad(value, inputs, materialize_grads=True)]


def assert_same(got, want):
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, rtol=1e-12, atol=1e-12)


@every_cell
@few
@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_backwards_is_forwards_on_the_flipped_row(name, lengths):
    layer, x = build(backwards, name), normal(len(lengths), 5, 3)
    state = random_state(layer, len(lengths))
    inputs = [x, *leaves(state), *layer.parameters()]
    rows = []
    for b, n in enumerate(lengths):
        y, last = layer.cell.sequence(x[b : b + 1, :n].flip(1), row(state, b))
        rows.append((pad(y.flip(1), (0, 0, 0, 5 - n)), last))
    lasts = tree_map(lambda *parts: torch.cat(parts), *(last for _, last in rows))
    want = measure(torch.cat([y for y, _ in rows]), lasts, inputs)
    assert_same(measure(*layer(x, state, lengths=torch.tensor(lengths)), inputs), want)


@every_cell
@every_layer
@few
@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_a_ragged_batch_is_its_rows_alone(shape, name, lengths):
    layer, x = build(shape, name), normal(len(lengths), 5, 3)
    state = random_state(layer, len(lengths))
    inputs = [x, *leaves(state), *layer.parameters()]
    rows = [layer(x[b : b + 1, :n], row(state, b)) for b, n in enumerate(lengths)]
    y = torch.cat([pad(y, (0, 0, 0, 5 - y.shape[1])) for y, _ in rows])
    lasts = tree_map(lambda *parts: torch.cat(parts), *(last for _, last in rows))
    want = measure(y, lasts, inputs)
    assert_same(measure(*layer(x, state, lengths=torch.tensor(lengths)), inputs), want)


@every_cell
@every_layer
@few
@given(data=st.data(), lengths=st.lists(st.integers(0, 5), min_size=1, max_size=3))
def test_sequences_in_a_row_are_run_separately(shape, name, data, lengths):
    B = len(lengths)
    flags = data.draw(st.lists(st.booleans(), min_size=5 * B, max_size=5 * B))
    reset = torch.tensor(flags).view(B, 5)
    layer, x = build(shape, name), normal(B, 5, 3)
    inputs = [x, *layer.parameters()]
    ys = []
    for b, n in enumerate(lengths):
        begins = [0, *(t for t in range(1, n) if reset[b, t]), n]
        pieces = [layer(x[b : b + 1, i:j])[0] for i, j in pairwise(begins)]
        ys.append(pad(torch.cat(pieces, dim=1), (0, 0, 0, 5 - n)))
    want = measure(torch.cat(ys), (), inputs)
    y, _ = layer(x, lengths=torch.tensor(lengths), reset=reset)
    assert_same(measure(y, (), inputs), want)


@every_cell
@pytest.mark.parametrize("reversed_", [False, True])
def test_the_last_state_is_that_of_the_last_piece_run(name, reversed_):
    torch.manual_seed(0)
    layer = Recurrent(CELLS[name](3, 4).double(), reverse=reversed_)
    x, state = normal(1, 5, 3), random_state(layer, 1)
    reset = torch.tensor([[False, False, True, False, False]])
    head, tail = x[:, :2], x[:, 2:]
    given_to_first = state if not reversed_ else None
    given_to_second = state if reversed_ else None
    y_head, last_head = layer(head, given_to_first)
    y_tail, last_tail = layer(tail, given_to_second)
    y, last = layer(x, state, reset=reset)
    inputs = [x, *leaves(state), *layer.parameters()]
    want = measure(torch.cat([y_head, y_tail], 1), last_head if reversed_ else last_tail, inputs)
    assert_same(measure(y, last, inputs), want)


@every_cell
@every_layer
def test_padding_influences_nothing(shape, name):
    layer, lengths = build(shape, name), torch.tensor([2, 0, 5, 4])
    padding = torch.arange(5) >= lengths[:, None]
    clean = torch.randn(4, 5, 3, dtype=torch.float64).masked_fill(padding[..., None], 0)
    results = []
    for value, reset in ((0, padding & False), (float("nan"), padding)):
        x = clean.masked_fill(padding[..., None], value).requires_grad_()
        y, last = layer(x, lengths=lengths, reset=reset)
        results.append(measure(y, last, [x, *layer.parameters()]))
        assert not y[padding].any()
    assert all(map(torch.equal, *results))


@every_cell
@every_layer
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [1, 3, 5, 3]])
def test_packed_in_packed_out(shape, name, lengths):
    layer, x = build(shape, name), normal(4, 5, 3)
    sorted_ = lengths == sorted(lengths, reverse=True)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=sorted_)
    state = random_state(layer, 4)
    inputs = [x, *leaves(state), *layer.parameters()]
    y, last = layer(packed, state)
    assert torch.equal(y.batch_sizes, packed.batch_sizes)
    assert (y.sorted_indices is None) == sorted_
    got = measure(pad_packed_sequence(y, batch_first=True)[0], last, inputs)
    assert_same(got, measure(*layer(x, state, lengths=torch.tensor(lengths)), inputs))


@every_cell
@every_layer
@pytest.mark.parametrize(("B", "T"), [(0, 0), (0, 3), (2, 0), (2, 1)])
def test_smallest_sizes(shape, name, B, T):
    layer = build(shape, name)
    state = random_state(layer, B)
    lengths, reset = torch.full((B,), T), torch.ones(B, T, dtype=torch.bool)
    for options in ({}, {"lengths": lengths}, {"reset": reset, "lengths": lengths}):
        y, last = layer(normal(B, T, 3), state, **options)
        assert y.shape == (B, T, layer.cell.output_size)
        if T == 0:
            assert all(map(torch.equal, leaves(last), leaves(state)))
