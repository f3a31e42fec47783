"""torch's own layers in the place of the classic cells; on the CPU they compute the same."""

import itertools

import pytest
import torch
from tests.engine.truth import assert_same

from recurra.cells import GRU, LSTM, Elman, vendor
from recurra.engine import loop, tree_map

MAKES = {
    "lstm": LSTM,
    "lstm projection": lambda *sizes, **options: LSTM(*sizes, proj_size=2, **options),
    "gru": GRU,
    "elman": Elman,
    "elman relu": lambda *sizes, **options: Elman(*sizes, nonlinearity="relu", **options),
}
every_cell = pytest.mark.parametrize("name", MAKES)
every_bias = pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])


def example(name, B, T, F=3, H=5, bias=True):
    torch.manual_seed(B + 10 * T)
    cell = MAKES[name](F, H, bias=bias, dtype=torch.float64)
    state = tree_map(lambda part: torch.randn_like(part), cell.initial_state(B))
    state = tree_map(lambda part: part.requires_grad_(), state)
    return cell, torch.randn(B, T, F, dtype=torch.float64, requires_grad=True), state


def results(cell, x, state, y, last):
    """Outputs, last state, and the gradients of a number that weighs them all."""
    parts = [y, *last]
    value = sum((p * torch.linspace(-1, 2, p.numel()).view_as(p)).sum() for p in parts)
    inputs = [x, *state, *cell.parameters()]
    return [*parts, *torch.autograd.grad(value, inputs, materialize_grads=True)]


def by_loop(cell, x, state, lengths):
    """Each row alone, by definition."""
    B, T = x.shape[:2]
    rows = []
    for b in range(B):
        first = tree_map(lambda part, b=b: part[b : b + 1], state)
        y, last = loop(cell.step, x[b : b + 1, : lengths[b]], first)
        rows.append((torch.cat([y, y.new_zeros(1, T - y.shape[1], y.shape[2])], dim=1), last))
    ys, lasts = zip(*rows, strict=True)
    return torch.cat(ys), tree_map(lambda *parts: torch.cat(parts), *lasts)


def hold(name, lengths, bias=True, T=7):
    B = len(lengths)
    cell, x, state = example(name, B, T, bias=bias)
    given = None if set(lengths) == {T} else torch.tensor(lengths)
    got = results(cell, x, state, *vendor.sequence(cell, x, state, given))
    assert_same(got, results(cell, x, state, *by_loop(cell, x, state, lengths)), 1e-10)


@every_bias
@pytest.mark.parametrize(("B", "T"), [(1, 1), (1, 7), (5, 1), (4, 6)])
@every_cell
def test_full_rows(name, B, T, bias):
    hold(name, [T] * B, bias, T)


@every_bias
@pytest.mark.parametrize(
    "lengths", [[3, 7, 0, 1, 5], [2, 2], [0, 0, 4], [7, 0], [0, 0]], ids=lambda each: str(each)
)
@every_cell
def test_ragged_rows_in_any_order(name, lengths, bias):
    hold(name, lengths, bias)


@every_cell
def test_padding_is_not_read(name):
    cell, x, state = example(name, 3, 4)
    lengths = torch.tensor([2, 0, 3])
    want = results(cell, x, state, *vendor.sequence(cell, x, state, lengths))
    padding = (torch.arange(4) >= lengths[:, None])[:, :, None]
    spoilt = x.detach().masked_fill(padding, float("nan")).requires_grad_()
    got = results(cell, spoilt, state, *vendor.sequence(cell, spoilt, state, lengths))
    assert all(map(torch.equal, got, want))


@every_cell
def test_inference_and_frozen_parameters(name):
    cell, x, state = example(name, 4, 6)
    lengths = torch.tensor([6, 2, 5, 1])
    want, _ = vendor.sequence(cell, x, state, lengths)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            y, last = vendor.sequence(cell, x, state, lengths)
        assert type(last) is type(state)
        assert not y.requires_grad
        torch.testing.assert_close(y, want.detach(), rtol=1e-12, atol=1e-12)
    cell.requires_grad_(False)
    y, _ = vendor.sequence(cell, x, state, lengths)
    (got,) = torch.autograd.grad(y.square().sum(), x)
    (wanted,) = torch.autograd.grad(by_loop(cell, x, state, lengths)[0].square().sum(), x)
    assert_same([got], [wanted], 1e-10)


def test_autocast_leaves_it_in_its_own_type():
    cell, x, state = example("lstm", 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = vendor.sequence(cell, x, state, None)
    assert torch.equal(y, vendor.sequence(cell, x, state, None)[0])


@pytest.mark.parametrize("kind", [Elman, GRU, LSTM])
def test_it_serves_on_a_gpu_where_nothing_else_is_asked(kind):
    cell = kind(3, 5)
    assert vendor.serves(cell, "cuda", 2, 4)
    assert vendor.serves(cell, "cuda", 2, 4, None, None, None)
    assert not any(vendor.serves(cell, device, 2, 4) for device in ("cpu", "meta", "mps"))
    assert not any(vendor.serves(cell, "cuda", *shape) for shape in ((0, 4), (2, 0)))
    for place, option in itertools.product(range(3), (torch.ones(2, 4).bool(), 3, torch.bfloat16)):
        options = [None] * 3
        options[place] = option
        assert not vendor.serves(cell, "cuda", 2, 4, *options)
    with torch.backends.cudnn.flags(enabled=False):
        assert not vendor.serves(cell, "cuda", 2, 4)


def test_it_serves_no_other_cell():
    class Leaning(LSTM):
        def step(self, x, state, context=None):
            return super().step(x + 1, state)

    assert not vendor.serves(Leaning(3, 5), "cuda", 2, 4)
    assert vendor.serves(Elman(3, 5, nonlinearity="relu"), "cuda", 2, 4)


def test_it_does_not_serve_under_a_transform():
    cell, seen = GRU(3, 5), []

    def look(x):
        seen.append(vendor.serves(cell, "cuda", 2, 4))
        return x

    torch.func.vmap(look)(torch.ones(2))
    assert seen == [False]
