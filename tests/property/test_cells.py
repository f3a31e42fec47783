"""Laws that every cell obeys: outputs, states and gradients."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.subjects import FEATURED, FEW, lifted
from torch import nn

from recurra.cells import CELLS, LSTM, Cell
from recurra.engine import leaves, loop, tree_map
from recurra.layers import Recurrent, Stack

few = settings(max_examples=8, deadline=None, derandomize=True)


class DecayState(NamedTuple):
    h: torch.Tensor
    steps: torch.Tensor


class Decay(Cell[DecayState]):
    """A user's cell: no prepare, a learned first state, a counter that is no float."""

    def __init__(self, input_size, hidden_size, *, dtype=None):
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size
        self.project = nn.Linear(input_size, hidden_size, dtype=dtype)
        self.first = nn.Parameter(torch.rand(hidden_size, dtype=dtype))

    def initial_state(self, batch_size):
        h = self.first.expand(batch_size, -1)
        return DecayState(h, torch.zeros(batch_size, dtype=torch.int64))

    def step(self, x, state, context=None):
        rate = 1 / (2 + state.steps[:, None].to(x.dtype))
        h = rate * state.h + torch.tanh(self.project(x))
        return h * h, DecayState(h, state.steps + 1)


def projected(input_size, hidden_size, **options):
    return LSTM(input_size, hidden_size + 2, proj_size=hidden_size, **options)


OWN = {"lstm projected": projected, "user": Decay}
SINGLE = {**{name: CELLS[name] for name in FEATURED}, **OWN}


def twice(make):
    return lambda F, H, **options: Stack([make(F, H, **options), make(H, H + 1, **options)], 0.5)


SUBJECTS = {**SINGLE, **{f"{name} twice": twice(SINGLE[name]) for name in (*FEW, *OWN)}}
every_subject = pytest.mark.parametrize("name", SUBJECTS)


def build(name, F=3, H=4, dtype=torch.float64):
    torch.manual_seed(F + 10 * H)
    return SUBJECTS[name](F, H, dtype=dtype).eval()


def stepping(cell):
    """The cell, step by step: other forms agree to rounding, and only this one to the bit."""
    for part in cell.modules():
        if isinstance(part, Cell):
            part.form = "step"
    return cell


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


def random_state(cell, B):
    def fill(part):
        return torch.randn_like(part) if part.is_floating_point() else part.clone()

    state = lifted(tree_map(fill, cell.initial_state(B)))
    return tree_map(lambda part: part.requires_grad_(part.is_floating_point()), state)


def measure(y, state, inputs):
    """Outputs, last state, and gradients of both together, in one list."""
    parts = [part for part in (y, *leaves(state)) if part.is_floating_point()]
    value = sum((part * torch.linspace(-1, 2, part.numel()).view_as(part)).sum() for part in parts)
    return [*parts, *torch.autograd.grad(value, inputs, materialize_grads=True)]


def assert_same(got, want, tolerance=1e-12):
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, rtol=tolerance, atol=tolerance)


def floats(state):
    return [part for part in leaves(state) if part.requires_grad]


def concatenate(states):
    return tree_map(lambda *parts: torch.cat(parts), *states)


def row(tree, b):
    return tree_map(lambda part: part[b : b + 1], tree)


@every_subject
@few
@given(B=st.integers(0, 3), T=st.integers(0, 6), F=st.sampled_from([1, 3, 7]))
def test_a_sequence_is_its_steps(name, B, T, F):
    cell, x = build(name, F=F, H=5), normal(B, T, F)
    state = random_state(cell, B)
    inputs = [x, *floats(state), *cell.parameters()]
    want = measure(*loop(cell.step, x, state), inputs)
    assert_same(measure(*cell.sequence(x, state), inputs), want)


@pytest.mark.parametrize(("B", "F", "H"), [(1, 1, 1), (5, 3, 7), (2, 17, 13)])
@every_subject
def test_it_begins_at_the_initial_state(name, B, F, H):
    # In float32 a loop rounds as much as the engine; tests/parity holds both against float64.
    cell, x = build(name, F, H), normal(B, 4, F)
    inputs = [x, *cell.parameters()]
    want = measure(*loop(cell.step, x, cell.initial_state(B)), inputs)
    assert_same(measure(*cell.sequence(x), inputs), want)


@every_subject
@few
@given(T=st.integers(1, 8), data=st.data())
def test_a_sequence_may_be_cut_anywhere(name, T, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, T), min_size=1, max_size=3)))
    cell, x = build(name), normal(2, T, 3)
    first = random_state(cell, 2)
    inputs = [x, *floats(first), *cell.parameters()]
    want = measure(*cell.sequence(x, first), inputs)
    ys, state = [], first
    for begin, end in zip([0, *cuts], [*cuts, T], strict=True):
        y, state = cell.sequence(x[:, begin:end], state)
        ys.append(y)
    assert_same(measure(torch.cat(ys, dim=1), state, inputs), want)


@every_subject
@few
@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_a_ragged_batch_is_its_rows_alone(name, lengths):
    cell, x = build(name), normal(len(lengths), 5, 3)
    first = random_state(cell, len(lengths))
    inputs = [x, *floats(first), *cell.parameters()]
    rows = [cell.sequence(x[b : b + 1, :n], row(first, b)) for b, n in enumerate(lengths)]
    padded = [nn.functional.pad(y, (0, 0, 0, 5 - y.shape[1])) for y, _ in rows]
    want = measure(torch.cat(padded), concatenate([last for _, last in rows]), inputs)
    got = cell.sequence(x, first, lengths=torch.tensor(lengths))
    assert_same(measure(*got, inputs), want)


@every_subject
@few
@given(data=st.data(), lengths=st.lists(st.integers(0, 5), min_size=1, max_size=3))
def test_resets_begin_new_sequences(name, data, lengths):
    B = len(lengths)
    flags = data.draw(st.lists(st.booleans(), min_size=5 * B, max_size=5 * B))
    reset = torch.tensor(flags).view(B, 5)
    cell, x = build(name), normal(B, 5, 3)
    first = random_state(cell, B)
    inputs = [x, *floats(first), *cell.parameters()]
    ys, lasts = [], []
    for b, n in enumerate(lengths):
        begins = [t for t in range(n) if reset[b, t]]
        pieces, state = [x.new_zeros(1, 0, cell.output_size)], row(first, b)
        for begin, end in zip([0, *begins], [*begins, n], strict=True):
            state = cell.initial_state(1) if begin in begins else state
            y, state = cell.sequence(x[b : b + 1, begin:end], state)
            pieces.append(y)
        pieces.append(x.new_zeros(1, 5 - n, cell.output_size))
        ys.append(torch.cat(pieces, dim=1))
        lasts.append(state)
    want = measure(torch.cat(ys), concatenate(lasts), inputs)
    got = cell.sequence(x, first, lengths=torch.tensor(lengths), reset=reset)
    assert_same(measure(*got, inputs), want)


@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), 1e30])
@every_subject
def test_padding_influences_nothing(name, rubbish):
    cell, lengths = build(name), torch.tensor([2, 0, 5, 4])
    padding = torch.arange(5) >= lengths[:, None]
    reset = padding.roll(1, dims=1) & padding
    first = random_state(cell, 4)

    def run(value, reset):
        torch.manual_seed(1)
        x = torch.randn(4, 5, 3, dtype=torch.float64)
        x = x.masked_fill(padding[..., None], value).requires_grad_()
        inputs = [x, *floats(first), *cell.parameters()]
        return measure(*cell.sequence(x, first, lengths=lengths, reset=reset), inputs)

    clean, dirty = run(0.0, None), run(rubbish, reset)
    for c, d in zip(clean, dirty, strict=True):
        assert torch.equal(c, d)
    y, x_gradient = dirty[0], dirty[1 + len(floats(first))]
    assert not y[padding].any()
    assert not x_gradient[padding].any()


@pytest.mark.parametrize("mode", ["train", "infer"])
@every_subject
def test_batch_mates_change_nothing(name, mode):
    cell, x = build(name, 5, 7, torch.float32), torch.randn(6, 4, 5)
    order, lengths = torch.tensor([3, 0, 5]), torch.tensor([4, 1, 2, 3, 0, 4])
    with torch.set_grad_enabled(mode == "train"):
        y, last = cell.sequence(x, lengths=lengths)
        some, last_some = cell.sequence(x[order], lengths=lengths[order])
    torch.testing.assert_close(some, y[order], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        last_some, tree_map(lambda part: part[order], last), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("B", [0, 2])
@pytest.mark.parametrize("T", [0, 1])
@every_subject
def test_smallest_sizes(name, B, T):
    cell = build(name)
    state = random_state(cell, B)
    lengths, reset = torch.full((B,), T), torch.zeros(B, T, dtype=torch.bool)
    for options in ({}, {"lengths": lengths}, {"reset": reset}):
        y, last = cell.sequence(normal(B, T, 3), state, **options)
        assert y.shape == (B, T, cell.output_size)
        assert [part.shape for part in leaves(last)] == [part.shape for part in leaves(state)]
        if T == 0:
            assert all(map(torch.equal, leaves(last), leaves(state)))


@pytest.mark.parametrize("recording", [True, False])
@every_subject
def test_arguments_are_left_as_they_were(name, recording):
    cell, x = build(name), torch.randn(3, 4, 3, dtype=torch.float64)
    given_ = (x, random_state(cell, 3), torch.tensor([4, 0, 2]), torch.rand(3, 4) < 0.5)
    before = tree_map(torch.clone, given_)
    with torch.set_grad_enabled(recording):
        cell.sequence(x, given_[1], lengths=given_[2], reset=given_[3])
        cell.step(x[:, 0], given_[1])
    assert all(map(torch.equal, leaves(before), leaves(given_)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    ("B", "F", "H"),
    [(1, 1, 1), (1, 13, 7), (1, 64, 64), (3, 1, 5), (7, 13, 31), (16, 31, 64), (33, 257, 17)],
)
@every_subject
def test_whole_chunked_and_streamed_agree_bit_for_bit(name, B, F, H, dtype):
    cell, T = stepping(build(name, F, H, dtype)), 6
    x, state = torch.randn(B, T, F, dtype=dtype), random_state(cell, B)
    lengths = torch.full((B,), T)
    with torch.inference_mode():
        whole, last = cell.sequence(x, state)
        masked, _ = cell.sequence(x, state, lengths=lengths - torch.arange(B) % 2)
        begin, middle = cell.sequence(x[:, :2], state)
        end, chunked_last = cell.sequence(x[:, 2:].clone(), middle)
        streamed, streamed_last = one_by_one(cell, x, state)
    assert torch.equal(whole, torch.cat([begin, end], dim=1))
    assert torch.equal(whole[:, : T - 1], masked[:, : T - 1])
    assert all(map(torch.equal, leaves(last), leaves(chunked_last)))
    assert torch.equal(whole, streamed)
    assert all(map(torch.equal, leaves(last), leaves(streamed_last)))


def one_by_one(cell, x, state):
    """A sequence a step."""
    ys = []
    for t in range(x.shape[1]):
        y, state = cell.sequence(x[:, t : t + 1], state)
        ys.append(y)
    return torch.cat(ys, dim=1), state


def astray(part):
    """The same values where no allocator would have put them."""
    return torch.empty(part.numel() + 3, dtype=part.dtype)[3:].view_as(part).copy_(part)


@pytest.mark.parametrize("B", [1, 4])
@every_subject
def test_bits_do_not_depend_on_where_the_numbers_lie(name, B):
    cell = stepping(build(name, 13, 31, torch.float32))
    x, state = torch.randn(B, 3, 13), random_state(cell, B)
    with torch.no_grad():
        whole, _ = cell.sequence(x, state)
        moved, _ = cell.sequence(astray(x), tree_map(astray, state))
        ys, moving = [], state
        for t in range(3):
            y, moving = cell.sequence(astray(x[:, t : t + 1]), tree_map(astray, moving))
            ys.append(y)
    assert torch.equal(moved, whole)
    assert torch.equal(torch.cat(ys, dim=1), whole)


@pytest.mark.parametrize("name", SINGLE)
def test_gradients_are_the_derivatives(name):
    cell = build(name, 3, 2)
    x, state = normal(2, 3, 3), random_state(cell, 2)
    lengths, reset = torch.tensor([3, 2]), torch.tensor([[0, 1, 0], [0, 0, 0]]).bool()
    named = dict(Recurrent(cell).named_parameters())
    names, weights = list(named), list(named.values())

    def outputs(x, *parts):
        pieces = iter(parts)
        begin = tree_map(lambda part: next(pieces) if part.requires_grad else part, state)
        y, last = torch.func.functional_call(
            Recurrent(cell),
            dict(zip(names, pieces, strict=True)),
            (x, begin),
            {"lengths": lengths, "reset": reset},
        )
        return y, *(part for part in leaves(last) if part.is_floating_point())

    assert torch.autograd.gradcheck(outputs, (x, *floats(state), *weights))
