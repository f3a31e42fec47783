"""Masks that last a sequence: how often they drop, what they scale, and what they act on."""

import pytest
import torch
from torch.nn import functional as F

from recurra.cells import GRU, LSTM, Elman, LSTMState, MinGRU
from recurra.engine import leaves
from recurra.errors import OptionError, UnsupportedError
from recurra.layers import (
    Embedding,
    LockedDropout,
    PreNorm,
    RecurrentDropout,
    Residual,
    Stack,
    Stream,
    WeightDrop,
)

KEPT = 4 / 3


def assert_mask(mask, shape, rate=0.25):
    """Zeros as often as the rate says, and what is left keeps the mean."""
    assert mask.shape == shape
    assert mask.unique().tolist() == [0, pytest.approx(1 / (1 - rate))]
    assert (mask == 0).double().mean().item() == pytest.approx(rate, abs=0.02)


def test_masks_drop_as_often_as_their_rate_says():
    torch.manual_seed(0)
    cell = LSTM(60, 80)
    locked = LockedDropout(cell, input_rate=0.25, output_rate=0.25).sample_context(100)
    assert_mask(locked.x, (100, 60))
    assert_mask(locked.y, (100, 80))
    recurrent = RecurrentDropout(cell, 0.25, ["h", "c"]).sample_context(100)
    for mask in recurrent.masks:
        assert_mask(mask, (100, 80))
    assert not torch.equal(*recurrent.masks)
    drop = WeightDrop(cell, 0.25, ["weight_hh", "weight_ih"]).sample_context(100)
    for mask, columns in zip(drop.masks, (80, 60), strict=True):
        assert_mask(mask.value, (320, columns))
    wide = WeightDrop(LSTM(2, 3000), 0.25, rows=True)
    assert_mask(wide.sample_context(1).masks[0].value, (12000, 1))
    assert_mask(Embedding(5000, 3, dropout=0.25).sample_context(7).value, (5000, 1))


def test_locked_dropout_is_masks_on_what_comes_and_goes():
    torch.manual_seed(0)
    cell = LockedDropout(GRU(3, 4), input_rate=0.4, output_rate=0.3).double()
    x, context = torch.randn(5, 6, 3).double(), cell.sample_context(5)
    y, last = cell.sequence(x, context=context)
    want, want_last = cell.cell.sequence(x * context.x[:, None])
    torch.testing.assert_close(y, want * context.y[:, None])
    torch.testing.assert_close(leaves(last), leaves(want_last))


def test_a_rate_of_nothing_needs_no_mask():
    cell = LockedDropout(GRU(3, 4), output_rate=0.5)
    context = cell.sample_context(2)
    assert context.x is None
    assert context.y is not None


def test_recurrent_dropout_of_an_lstm_is_gals():
    torch.manual_seed(0)
    cell = RecurrentDropout(LSTM(3, 4), 0.5).double()
    x, context = torch.randn(5, 6, 3).double(), cell.sample_context(5)
    y, _ = cell.sequence(x, context=context)
    own, (mask,) = cell.cell, context.masks
    h = c = torch.zeros(5, 4).double()
    for t in range(6):
        parts = F.linear(x[:, t], own.weight_ih, own.bias_ih)
        parts = parts + F.linear(h * mask, own.weight_hh, own.bias_hh)
        i, f, g, o = parts.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        torch.testing.assert_close(y[:, t], h)


def test_recurrent_dropout_of_a_memory_is_rnndrop():
    torch.manual_seed(0)
    cell = RecurrentDropout(LSTM(3, 4), 0.5, ["c"]).double()
    x, context = torch.randn(5, 3).double(), cell.sample_context(5)
    state = LSTMState(torch.randn(5, 4).double(), torch.randn(5, 4).double())
    y, _ = cell.step(x, state, context)
    want, _ = cell.cell.step(x, state._replace(c=state.c * context.masks[0]))
    torch.testing.assert_close(y, want)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("make", [Elman, GRU, LSTM])
def test_weight_drop_is_the_cell_with_the_masked_weight(make, rows):
    torch.manual_seed(0)
    cell = WeightDrop(make(3, 4), 0.5, rows=rows).double()
    x, context = torch.randn(5, 6, 3).double(), cell.sample_context(5)
    lengths = torch.tensor([6, 4, 0, 1, 6])
    y, last = cell.sequence(x, context=context, lengths=lengths)
    weight, mask = cell.cell.weight_hh, context.masks[0].value
    (y.square().sum() + sum(part.sum() for part in last)).backward()
    found = weight.grad.clone()
    other = make(3, 4).double()
    other.load_state_dict(cell.cell.state_dict())
    with torch.no_grad():
        other.weight_hh.mul_(mask)
    want, want_last = other.sequence(x, lengths=lengths)
    (want.square().sum() + sum(part.sum() for part in want_last)).backward()
    torch.testing.assert_close(y, want)
    torch.testing.assert_close(found, other.weight_hh.grad * mask)
    torch.testing.assert_close(cell.cell.bias_hh.grad, other.bias_hh.grad)
    # The weight itself is what it was, and is trained.
    assert isinstance(cell.cell.weight_hh, torch.nn.Parameter)
    assert [*cell.state_dict()] == [f"cell.{name}" for name in other.state_dict()]


def test_weight_drop_in_a_parallel_form():
    torch.manual_seed(0)
    cell = WeightDrop(MinGRU(3, 4), 0.5, ["project.weight"]).double()
    x, context = torch.randn(5, 6, 3).double(), cell.sample_context(5)
    y, _ = cell.sequence(x, context=context)
    cell.form = "parallel"
    torch.testing.assert_close(cell.sequence(x, context=context)[0], y)


def test_weight_drop_gradients_are_right():
    torch.manual_seed(0)
    cell = Residual(WeightDrop(LSTM(3, 3).double(), 0.5))
    context = cell.sample_context(2)
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    weight = cell.cell.cell.weight_hh

    def outputs(x, _):
        return cell.sequence(x, context=context)[0]

    assert torch.autograd.gradcheck(outputs, (x, weight))
    assert torch.autograd.gradgradcheck(outputs, (x, weight))


def test_words_are_dropped_whole_and_wherever_they_stand():
    torch.manual_seed(0)
    layer = Embedding(7, 5, dropout=0.5)
    ids = torch.arange(7).repeat(2, 3)
    lengths = torch.tensor([21, 9])
    y, _ = layer.sequence(ids, lengths=lengths)
    alive = torch.arange(21) < lengths[:, None]
    rows = {
        (word.item(), bool(vector.any())) for word, vector in zip(ids[alive], y[alive], strict=True)
    }
    assert len(rows) == 7
    assert {kept for _, kept in rows} == {True, False}
    kept = y[alive].any(-1)
    torch.testing.assert_close(y[alive][kept], 2 * layer.weight[ids[alive]][kept])
    assert layer.eval().sample_context(2) is None
    torch.testing.assert_close(layer.sequence(ids)[0], layer.weight[ids])


def test_words_dropped_in_a_stack_are_the_same_in_steps():
    torch.manual_seed(0)
    stack = Stack([Embedding(7, 5, dropout=0.5), WeightDrop(GRU(5, 4), 0.5)], 0.3).double()
    ids, context = torch.randint(0, 7, (3, 6)), stack.sample_context(3)
    y, _ = stack.sequence(ids, context=context)
    state = stack.initial_state(3)
    for t in range(6):
        step, state = stack.step(ids[:, t], state, context)
        torch.testing.assert_close(y[:, t], step)
    assert stack.eval().sample_context(3) is None


def test_a_shared_mask_serves_any_number_of_rows():
    """One trace, whatever the batch: the mask is as large as the weight, not as the batch."""
    torch.manual_seed(0)
    cell = PreNorm(WeightDrop(GRU(3, 4), 0.5)).double()
    context = cell.sample_context(1)
    assert [each.shape for each in leaves(context)] == [(12, 4)]
    x = torch.randn(9, 5, 3).double()
    whole, _ = cell.sequence(x, context=context)
    alone = [cell.sequence(row[None], context=context)[0] for row in x]
    assert torch.equal(whole, torch.cat(alone))


def test_a_stream_may_be_given_a_mask_of_all_rows():
    torch.manual_seed(0)
    cell = PreNorm(WeightDrop(GRU(3, 4), 0.5)).requires_grad_(False)
    context, x = cell.sample_context(2), torch.randn(2, 6, 3)
    stream = Stream(cell, 2, context=context)
    assert "natively" in repr(stream)
    y, _ = cell.sequence(x, context=context)
    assert torch.equal(torch.stack([stream.push(x[:, t]) for t in range(6)], 1), y)


def test_options_that_do_not_fit_are_refused():
    cell = LSTM(3, 4)
    has = "weight_ih, weight_hh, bias_ih, bias_hh"
    cases = {
        "LockedDropout: input_rate is 1.0, it must lie in [0, 1)": lambda: LockedDropout(
            cell, input_rate=1.0
        ),
        "RecurrentDropout: rate is -0.1, it must lie in [0, 1)": lambda: RecurrentDropout(
            cell, -0.1
        ),
        "RecurrentDropout: the state has no m, it has h, c": lambda: RecurrentDropout(
            cell, 0.1, ["m"]
        ),
        "RecurrentDropout: the state has no h, it has no names": lambda: RecurrentDropout(
            Stack([cell]), 0.1
        ),
        f"WeightDrop: the cell has no parameter weight, it has {has}": lambda: WeightDrop(
            cell, 0.1, ["weight"]
        ),
        "Embedding: dropout is 1.0, it must lie in [0, 1)": lambda: Embedding(3, 4, dropout=1.0),
    }
    for message, make in cases.items():
        with pytest.raises(OptionError) as caught:
            make()
        assert str(caught.value) == message
    with pytest.raises(UnsupportedError, match="takes no features, which are dropped"):
        LockedDropout(Embedding(3, 4), input_rate=0.1)
