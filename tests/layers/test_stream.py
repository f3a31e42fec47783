"""A model that answers step by step: the bits of the whole sequence, whatever comes in between."""

import logging
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.subjects import FEATURED, SUBJECTS, example
from tests.layers.networks import language, same
from torch import nn

from recurra import (
    GRU,
    LSTM,
    Bidirectional,
    Each,
    Elman,
    Embedding,
    Recurrent,
    Stack,
    Stream,
)
from recurra.cells import CELLS
from recurra.engine import NotNativeError, autograd, leaves, native, tree_map
from recurra.errors import OptionError, ShapeError, UnsupportedError
from recurra.layers.runners import Native, Plain
from recurra.layers.stack import StackContext

# Cells that have no native form: what a stream does with those is a test of its own.
PLAIN = ("counting", "careless", "blind")


def still(name, B, T, dtype=torch.float32, H=5):
    """A case in which nothing has a gradient."""
    case = example(name, B, T, 3, H, dtype)
    case.cell.requires_grad_(False)
    kept = {k: tree_map(torch.detach, getattr(case, k)) for k in ("x", "state", "context")}
    return case._replace(**kept)


def step_of(x, t):
    return tree_map(lambda part: part[:, t], x)


def between(x, begin, end):
    return tree_map(lambda part: part[:, begin:end], x)


def stream_of(case, B, **options):
    return Stream(
        case.cell,
        B,
        state=case.state,
        context=case.context,
        example=step_of(case.x, 0),
        **options,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", SUBJECTS)
def test_steps_chunks_and_the_whole_have_the_same_bits(name, dtype):
    B, T = 3, 13
    case = still(name, B, T, dtype)
    whole, last = case.sequence()
    chunks, steps = stream_of(case, B), stream_of(case, B)
    found = [chunks.push(between(case.x, a, b)) for a, b in ((0, 1), (1, 6), (6, 6), (6, 13))]
    assert torch.equal(torch.cat(found, dim=1), whole)
    assert torch.equal(torch.stack([steps.push(step_of(case.x, t)) for t in range(T)], 1), whole)
    assert same(chunks.state, last)
    assert same(steps.state, last)


@pytest.mark.parametrize("name", SUBJECTS)
def test_cells_that_run_natively_stream_natively(name):
    runs = type(stream_of(still(name, 2, 3), 2)._runner)
    assert runs is (Plain if name in PLAIN else Native)


@pytest.mark.parametrize("weights", [None, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("H", [1, 3, 16, 33, 130])
@pytest.mark.parametrize("name", FEATURED)
def test_widths(name, H, weights):
    torch.manual_seed(H)
    cell = CELLS[name](H + 1, H).requires_grad_(False)
    cell.form = "step"
    x = torch.randn(2, 300, H + 1)
    whole, _ = cell.sequence(x, weights=weights)
    stream = Stream(cell, 2, weights=weights)
    assert torch.equal(stream.push(x[:, :290]), whole[:, :290])
    assert torch.equal(stream.push(x[:, 290]), whole[:, 290])
    assert torch.equal(stream.push(x[:, 291:]), whole[:, 291:])


@pytest.mark.parametrize("weights", [None, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", FEATURED)
def test_behind_a_table_a_cell_gives_the_same_bits(name, weights):
    """What stands before its loop is known by the number alone, and is copied in short pushes."""
    torch.manual_seed(0)
    cell = CELLS[name](6, 5)
    cell.form = "step"
    model = Stack([Embedding(11, 6), cell]).eval().requires_grad_(False)
    ids = torch.randint(0, 11, (3, 300))
    whole, _ = model.sequence(ids, weights=weights)
    stream = Stream(model, 3, weights=weights)
    found = [stream.push(ids[:, a:b]) for a, b in ((0, 2), (2, 290), (290, 296))]
    found += [stream.push(ids[:, t])[:, None] for t in range(296, 300)]
    assert torch.equal(torch.cat(found, dim=1), whole)


def test_more_rows_know_what_the_first_ones_learned_of_the_table():
    model = language()
    ids = torch.randint(0, 11, (70, 4))
    whole, _ = model.sequence(ids)
    stream = Stream(model)
    stream.add(69)
    assert torch.equal(torch.stack([stream.push(ids[:, t]) for t in range(4)], 1), whole)


def test_a_table_too_large_to_know_all_of():
    torch.manual_seed(0)
    model = Stack([Embedding(5000, 2), LSTM(2, 256)]).eval().requires_grad_(False)
    ids = torch.randint(0, 5000, (1, 3))
    whole, _ = model.sequence(ids)
    stream = Stream(model)
    assert torch.equal(torch.stack([stream.push(ids[:, t]) for t in range(3)], 1), whole)


@pytest.mark.parametrize("rows", [1, 5, 64, 67, 256])
def test_many_rows_and_a_network_from_ids_to_scores(rows):
    net = language()
    x = torch.randint(0, 11, (rows, 9))
    whole, last = net.sequence(x)
    stream = Stream(net, rows)
    assert torch.equal(stream.push(x[:, :4]), whole[:, :4])
    for t in range(4, 9):
        assert torch.equal(stream.push(x[:, t]), whole[:, t])
    assert same(stream.state, last)


@given(cuts=st.lists(st.integers(0, 40), max_size=6), rows=st.integers(1, 6))
def test_a_sequence_may_come_in_any_pieces(cuts, rows):
    net = language()
    x = torch.randint(0, 11, (rows, 40), generator=torch.Generator().manual_seed(rows))
    stream = Stream(net, rows)
    ends = [0, *sorted(cuts), 40]
    found = [stream.push(x[:, a:b]) for a, b in pairwise(ends)]
    assert torch.equal(torch.cat(found, dim=1), net.sequence(x)[0])


def test_layers_within_layers():
    torch.manual_seed(0)
    net = Recurrent(Stack([GRU(3, 4), Stack([LSTM(4, 5), Elman(5, 2)])])).eval()
    x = torch.randn(2, 9, 3)
    with torch.no_grad():
        whole, _ = net(x)
    assert torch.equal(Stream(net, 2).push(x), whole)


def test_rows_come_and_go_while_others_go_on():
    net = language()
    x = torch.randint(0, 11, (6, 30))
    alone = [net.sequence(x[r : r + 1])[0][0] for r in range(6)]
    stream = Stream(net, 3)
    stream.push(x[:3, :10])
    assert stream.add(2) == range(3, 5)
    # Rows 3 and 4 begin where the others are at step 10.
    y = stream.push(torch.stack([x[0, 10], x[1, 10], x[2, 10], x[3, 0], x[4, 0]]))
    assert torch.equal(y[:3], torch.stack([alone[r][10] for r in range(3)]))
    assert torch.equal(y[3:], torch.stack([alone[r][0] for r in (3, 4)]))
    stream.drop([0, 3])
    y = stream.push(torch.stack([x[1, 11], x[2, 11], x[4, 1]]))
    assert torch.equal(y, torch.stack([alone[1][11], alone[2][11], alone[4][1]]))
    stream.reset(1)
    y = stream.push(torch.stack([x[1, 12], x[5, 0], x[4, 2]]))
    assert torch.equal(y, torch.stack([alone[1][12], alone[5][0], alone[4][2]]))
    stream.reset(torch.tensor([True, False, False]))
    y = stream.push(torch.stack([x[0, 0], x[5, 1], x[4, 3]]))
    assert torch.equal(y, torch.stack([alone[0][0], alone[5][1], alone[4][3]]))
    stream.reset()
    assert torch.equal(stream.push(x[:3]), torch.stack(alone[:3]))


def test_no_rows_at_all():
    stream = Stream(language(), 0)
    assert stream.push(torch.empty(0, dtype=torch.int64)).shape == (0, 11)
    stream.add(1)
    first = stream.push(torch.tensor([4]))
    stream.drop(0)
    assert stream.rows == 0
    assert stream.push(torch.empty(0, 5, dtype=torch.int64)).shape == (
        0,
        5,
        11,
    )
    stream.restore(stream.snapshot())
    stream.add(1)
    assert torch.equal(stream.push(torch.tensor([4])), first)


def test_a_learned_first_state_begins_every_row():
    class Begun(LSTM):
        def __init__(self):
            super().__init__(3, 4)
            self.first = nn.Parameter(torch.randn(4))

        def initial_state(self, batch_size):
            state = super().initial_state(batch_size)
            return state._replace(h=self.first.expand(batch_size, -1))

    cell = Begun().requires_grad_(False)
    x = torch.randn(3, 7, 3)
    whole, _ = cell.sequence(x)
    stream = Stream(cell, 2)
    assert torch.equal(stream.push(x[:2]), whole[:2])
    stream.reset(0)
    stream.add()
    again = torch.stack([x[0, 0], x[1, 0], x[2, 0]])
    assert torch.equal(stream.push(again)[::2], whole[::2, 0])


def test_what_a_row_alone_and_numpy_send():
    cell = LSTM(3, 4).requires_grad_(False)
    x = torch.randn(1, 6, 3)
    whole, _ = cell.sequence(x)
    stream = Stream(cell)
    for t in range(3):
        assert torch.equal(stream.push(x[0, t]), whole[0, t])
    came = stream.push(x[0, 3].numpy())
    assert type(came) is np.ndarray
    assert came.dtype == np.float32
    assert np.array_equal(came, whole[0, 3].numpy())
    out = np.empty((1, 2, 4), np.float32)
    assert stream.push(x[:, 4:].numpy().astype(np.float64), out) is out
    assert np.array_equal(out, whole[:, 4:].numpy())
    ids = Stream(language())
    words = torch.tensor([[3, 4, 5]])
    want = language().sequence(words)[0][0]
    assert torch.equal(ids.push(torch.tensor(3)), want[0])
    assert np.array_equal(ids.push(np.int32(4)), want[1].numpy())
    assert torch.equal(ids.push(torch.tensor([5], dtype=torch.uint8)), want[2:])


def test_out_is_where_the_answer_goes():
    stream = Stream(GRU(3, 4), 2)
    other = Stream(GRU(3, 4), 2)
    x, out = torch.randn(2, 3), torch.full((2, 4), torch.nan)
    for _ in range(2):
        assert stream.push(x, out) is out
        assert not out.isnan().any()
    whole = torch.empty(2, 5, 4)
    assert stream.push(torch.randn(2, 5, 3), whole) is whole
    for wrong in (torch.empty(2, 3), torch.empty(4, 2).T, out.double(), np.empty((2, 4)), [1]):
        with pytest.raises(ShapeError, match=r"out must be \(2, 4\) of float32"):
            other.push(x, wrong)
    assert all(not state.any() for state in leaves(other.state))


def test_gaps_in_x_do_not_matter():
    cell = LSTM(3, 4).requires_grad_(False)
    x = torch.randn(2, 3, 14)
    view = x.transpose(1, 2)
    whole, _ = cell.sequence(view)
    stream = Stream(cell, 2)
    assert torch.equal(stream.push(view[:, ::2][:, :1]), whole[:, :1])
    assert torch.equal(stream.push(view[:, 1]), whole[:, 1])


def test_weights_are_those_of_the_beginning():
    cell = GRU(3, 4).requires_grad_(False)
    x = torch.randn(1, 5, 3)
    whole, _ = cell.sequence(x)
    stream = Stream(cell)
    for weight in cell.parameters():
        weight.mul_(2)
    assert torch.equal(stream.push(x), whole)
    stream.add()
    stream.drop(0)
    assert torch.equal(stream.push(x), whole)
    assert not torch.equal(Stream(cell).push(x), whole)


def test_without_the_library_it_streams_in_plain_torch(monkeypatch, caplog):
    net = language()
    x = torch.randint(0, 11, (3, 20))
    whole, _ = net.sequence(x)
    monkeypatch.setattr(native, "library", lambda: None)
    monkeypatch.setattr(autograd, "machine", _missing)
    with caplog.at_level(logging.WARNING, "recurra"):
        stream = Stream(net, 3)
    assert type(stream._runner) is Plain
    assert "plain torch" in repr(stream)
    found = [stream.push(x[:, :7]), *(stream.push(x[:, t])[:, None] for t in range(7, 15))]
    other = Stream(net)
    other.restore(stream.snapshot())
    found.append(other.push(x[:, 15:]))
    torch.testing.assert_close(torch.cat(found, dim=1), whole)
    other.drop(1)
    other.add(3)
    assert other.push(x[:1, 0].expand(5)).shape == (5, 11)


def _missing(*_, **__):
    raise NotNativeError("the library is away")


def test_what_has_no_step_is_refused():
    both = Bidirectional(GRU(3, 4), GRU(3, 4))
    for model, says in (
        (both, "Bidirectional has no step"),
        (Stack([GRU(3, 3), both]), "Bidirectional has no step"),
        (Recurrent(GRU(3, 4), reverse=True), "runs in reverse"),
        (nn.Linear(3, 4), "got a Linear"),
    ):
        with pytest.raises(UnsupportedError, match=says):
            Stream(model)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.zeros(3, 3), r"x has shape \(3, 3\); a step \(2, 3\) or a chunk \(2, T, 3\) fits"),
        (torch.zeros(2, 4), r"x has shape \(2, 4\)"),
        (torch.zeros(3), r"x has shape \(3,\)"),
        (torch.zeros(2, 3).double(), "x is float64, the model takes float32"),
        (torch.zeros(2, 3, dtype=torch.int64), "x is int64, the model takes float32"),
        (np.array([["a"] * 3] * 2), "numbers fit"),
        ([[0.0] * 3] * 2, "x is a list"),
        (None, "x is a NoneType"),
    ],
    ids=str,
)
def test_an_x_that_does_not_fit(x, says):
    stream = Stream(LSTM(3, 4), 2)
    with pytest.raises(ShapeError, match=says):
        stream.push(x)
    assert all(not state.any() for state in leaves(stream.state))


def test_a_number_outside_the_table_changes_nothing():
    stream = Stream(language(), 2)
    stream.push(torch.tensor([[1, 2], [3, 4]]))
    before = stream.state
    for bad in (torch.tensor([3, 11]), torch.tensor([[3, 4], [-1, 2]])):
        with pytest.raises(IndexError, match=r"outside 0 … 10"):
            stream.push(bad)
    with pytest.raises(ShapeError, match="x is float32"):
        stream.push(torch.zeros(2))
    assert same(stream.state, before)


def test_options_that_do_not_fit():
    noisy = Stack([GRU(3, 4), GRU(4, 4)], dropout=0.5)
    with pytest.raises(OptionError, match=r"model.eval\(\) ends that"):
        Stream(noisy)
    assert Stream(noisy.eval()).push(torch.zeros(1, 3)).shape == (1, 4)
    for options, says in (
        ({"rows": -1}, "rows is -1"),
        ({"weights": torch.float16}, "weights is torch.float16"),
        ({"state": torch.zeros(1, 3)}, "the state has parts"),
    ):
        with pytest.raises((OptionError, ShapeError), match=says):
            Stream(GRU(3, 4), **options)
    stream = Stream(GRU(3, 4), 2)
    for rows in (2, [-1], [0, 5]):
        with pytest.raises(OptionError, match="the stream has rows 0 … 1"):
            stream.drop(rows)
    with pytest.raises(OptionError, match="rows is 0"):
        stream.add(0)
    with pytest.raises(OptionError, match="weights"):
        Stream(GRU(3, 4).double(), weights=torch.bfloat16)


def test_a_context_fixes_the_rows():
    case = still("attending", 2, 4)
    stream = stream_of(case, 2)
    for call in (stream.add, lambda: stream.drop(0)):
        with pytest.raises(OptionError, match="fixed with the context"):
            call()
    other = still("attending", 3, 4)
    with pytest.raises(ShapeError, match="other rows"):
        Stream(case.cell, 2, context=other.context)


def test_masks_given_with_the_context_hold_all_along():
    net = Stack([GRU(3, 4), GRU(4, 4)], dropout=0.5).train().requires_grad_(False)
    context = net.sample_context(2)
    assert isinstance(context, StackContext)
    x = torch.randn(2, 9, 3)
    whole, _ = net.sequence(x, context=context)
    stream = Stream(net, 2, context=context)
    assert torch.equal(torch.cat([stream.push(x[:, :4]), stream.push(x[:, 4:])], 1), whole)


class Scaled(LSTM):
    """An LSTM with a parameter that is a single number."""

    def __init__(self):
        super().__init__(3, 4)
        self.scale = nn.Parameter(torch.tensor(0.5))

    def step(self, x, state, context=None):
        return super().step(x * self.scale, state)


def test_numbers_alone_among_the_parameters():
    norm = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))
    net = Stack([Scaled(), Each(norm, 4, 2)]).eval().requires_grad_(False)
    x = torch.randn(2, 9, 3)
    whole, _ = net.sequence(x)
    stream = Stream(net, 2)
    assert type(stream._runner) is Native
    assert torch.equal(stream.push(x[:, :5]), whole[:, :5])
    other = Stream(net)
    other.restore(stream.snapshot())
    assert torch.equal(other.push(x[:, 5:]), whole[:, 5:])


def test_a_state_of_another_type_is_refused():
    state = GRU(3, 4).double().initial_state(1)
    with pytest.raises(ShapeError, match="the state is float64, the model's is float32"):
        Stream(GRU(3, 4), state=state)
