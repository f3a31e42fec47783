"""The engine on steps outside the catalogue."""

from typing import NamedTuple

import pytest
import torch
from bench.user_cells import Hidden
from torch import nn

from recurra.cells import Cell
from recurra.engine import loop, run


class Observed(NamedTuple):
    value: torch.Tensor
    gap: torch.Tensor


class Memory(NamedTuple):
    h: torch.Tensor
    inner: tuple


def step(x, state, context=None):
    """Several inputs, a nested state, a context, and an output with two dimensions."""
    h = 0.5 * state.h + x.value * torch.exp(-x.gap)[:, None] + context
    (count,) = state.inner
    return h[:, :, None] * torch.ones(2), Memory(h, (count + 1,))


def example(B=3, T=5):
    x = Observed(torch.randn(B, T, 4), torch.rand(B, T))
    state = Memory(torch.randn(B, 4), (torch.zeros(B, dtype=torch.int64),))
    return x, state, torch.randn(B, 4)


def test_loop_is_one_step_after_another():
    x, state, context = example(T=2)
    y, last = loop(step, x, state, context)
    first, middle = step(Observed(x.value[:, 0], x.gap[:, 0]), state, context)
    second, end = step(Observed(x.value[:, 1], x.gap[:, 1]), middle, context)
    assert torch.equal(y, torch.stack([first, second], dim=1))
    assert torch.equal(last.h, end.h)
    assert last.inner[0].tolist() == [2, 2, 2]


def test_run_takes_several_inputs_and_any_output():
    x, state, context = example()
    y, last = run(step, x, state, context)
    want, want_last = loop(step, x, state, context)
    assert torch.equal(y, want)
    assert torch.equal(last.h, want_last.h)


def test_lengths_and_resets_reach_every_part_of_the_state():
    x, state, context = example()
    initial = Memory(torch.zeros(3, 4), (torch.full((3,), 10),))
    reset = torch.zeros(3, 5, dtype=torch.bool)
    reset[0, 2] = reset[1, 4] = True
    lengths = torch.tensor([5, 3, 0])
    y, last = run(step, x, state, context, lengths=lengths, reset=reset, initial=initial)
    assert y.shape == (3, 5, 4, 2)
    assert last.inner[0].tolist() == [13, 3, 0]
    assert torch.equal(last.h[2], state.h[2])


@pytest.mark.parametrize(("B", "T"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("way", [loop, run])
def test_nothing_to_do(way, B, T):
    x, state, context = example(B, T)
    y, last = way(step, x, state, context)
    assert y.shape == (B, T, 4, 2)
    assert last.h.shape == (B, 4)
    assert T > 0 or torch.equal(last.h, state.h)


def test_no_gradient_reaches_what_was_reset_away():
    x, state, context = example()
    state.h.requires_grad_()
    initial = Memory(torch.zeros(3, 4, requires_grad=True), state.inner)
    reset = torch.zeros(3, 5, dtype=torch.bool)
    reset[1, 0] = True
    _, last = run(step, x, state, context, reset=reset, initial=initial)
    last.h.sum().backward()
    assert state.h.grad.any(dim=1).tolist() == [True, False, True]
    assert initial.h.grad.any(dim=1).tolist() == [False, True, False]


class Before(Cell[Hidden]):
    """Mixes x with the x before, which is its state, and which one product alone reads."""

    def __init__(self):
        super().__init__()
        self.input_size, self.output_size = 3, 3
        self.mix = nn.Parameter(torch.tensor([0.2, 0.5, 0.9]))
        self.product = nn.Linear(3, 3)

    def initial_state(self, batch_size):
        return Hidden(self.mix.new_zeros(batch_size, 3))

    def step(self, x, state, context=None):
        return torch.tanh(self.product(x + self.mix * (state.h - x))), Hidden(x)


def test_a_state_that_becomes_x_is_not_written_over_before():
    torch.manual_seed(0)
    cell, x = Before().double().requires_grad_(False), torch.randn(2, 5, 3, dtype=torch.float64)
    y, last = cell.sequence(x)
    want, _ = loop(cell.step, x, cell.initial_state(2))
    torch.testing.assert_close(y, want)
    assert torch.equal(last.h, x[:, -1])


class Half(Cell[Hidden]):
    """The gradient of a product is joined of what is computed and of a slice of y's own."""

    def __init__(self):
        super().__init__()
        self.input_size, self.output_size = 3, 8
        self.plain = nn.Linear(3, 5, bias=False, dtype=torch.float64)
        self.partly = nn.Linear(3, 3, bias=False, dtype=torch.float64)

    def initial_state(self, batch_size):
        return Hidden(self.plain.weight.new_zeros(batch_size))

    def step(self, x, state, context=None):
        h = state.h + 1
        one = self.partly(x)[:, None]
        turned = one[..., :2] * torch.cos(h)[:, None, None]
        partly = torch.cat([turned, one[..., 2:]], -1)
        return torch.cat([self.plain(x), partly.flatten(1)], 1), Hidden(h)


def test_a_gradient_that_is_joined_with_a_slice_of_what_comes_in():
    torch.manual_seed(0)
    cell, x = Half(), torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    state = cell.initial_state(2)
    found = [run(cell.step, x, state)[0], loop(cell.step, x, state)[0]]
    got, want = (torch.autograd.grad(y.square().sum(), [x, *cell.parameters()]) for y in found)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
