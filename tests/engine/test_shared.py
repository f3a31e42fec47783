"""What all rows of a context share: like a parameter that comes with the call."""

from typing import NamedTuple

import pytest
import torch
from tests.engine.truth import assert_same, by_rows, measure
from torch import nn
from torch.nn import functional as F

from recurra import engine
from recurra.cells import Cell, GRUState
from recurra.engine import Shared, leaves, loop
from recurra.layers import Bidirectional


class Parts(NamedTuple):
    """A matrix for all rows, a mask (B, H) a row, and one more number for all."""

    matrix: Shared
    mask: torch.Tensor
    rest: tuple


class Mixed(Cell[GRUState]):
    """h' = tanh(W x + (M * mask_of_rows) h + rate)."""

    def __init__(self, F=3, H=4):
        super().__init__()
        self.input_size, self.output_size = F, H
        self.project = nn.Linear(F, H, dtype=torch.float64)

    def initial_state(self, batch_size):
        return GRUState(self.project.weight.new_zeros(batch_size, self.output_size))

    def step(self, x, state, context):
        (rate,) = context.rest
        h = F.linear(state.h * context.mask, context.matrix.value)
        h = torch.tanh(self.project(x) + h + rate.value)
        return h, GRUState(h)


class Case(NamedTuple):
    cell: Cell
    x: torch.Tensor
    state: GRUState
    context: Parts


def case(B=3, T=5, seed=0):
    torch.manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    context = Parts(Shared(normal(4, 4)), normal(B, 4), (Shared(normal()),))
    return Case(Mixed(), normal(B, T, 3), GRUState(normal(B, 4)), context)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lengths": torch.tensor([5, 2, 0])},
        {"lengths": torch.tensor([4, 5, 1]), "reset": torch.rand(3, 5) < 0.4},
        {"checkpoint": 2},
    ],
    ids=["whole", "ragged", "resets", "checkpoints"],
)
def test_outputs_and_all_gradients_are_those_of_the_loop(options):
    given = case()
    got = measure(given, *given.cell.sequence(given.x, given.state, given.context, **options))
    options = {key: each for key, each in options.items() if key != "checkpoint"}
    assert_same(got, measure(given, *by_rows(given, **options)), 1e-10)


def test_it_runs_natively_and_is_shown_as_a_parameter():
    given = case()
    text = engine.explain(given.cell, given.x, given.state, given.context)
    assert text.splitlines()[1].split()[:2] == ["inference", "natively,"]
    assert text.splitlines()[2].split()[:2] == ["training", "natively,"]
    assert "context:0.T" in text


def test_one_batch_is_not_mistaken_for_another():
    """A matrix as large as the batch is still a matrix."""
    given = case(B=4)
    y, _ = given.cell.sequence(given.x, given.state, given.context)
    want, _ = loop(given.cell.step, given.x, given.state, given.context)
    torch.testing.assert_close(y, want)
    other = case(B=4, seed=1)
    context = given.context._replace(matrix=other.context.matrix)
    y, _ = given.cell.sequence(given.x, given.state, context)
    want, _ = loop(given.cell.step, given.x, given.state, context)
    torch.testing.assert_close(y, want)


def test_second_derivatives():
    given = case(B=2, T=3)
    context = given.context

    def outputs(matrix, rate):
        parts = Parts(Shared(matrix), context.mask, (Shared(rate),))
        return given.cell.sequence(given.x, given.state, parts)[0]

    inputs = (context.matrix.value, context.rest[0].value)
    assert torch.autograd.gradgradcheck(outputs, inputs)


def test_two_directions_at_once():
    ahead, back = case(), case(seed=1)
    both = Bidirectional(ahead.cell, back.cell)
    y, _ = both.sequence(ahead.x, context=(ahead.context, back.context))
    state = ahead.cell.initial_state(3)
    one, _ = loop(ahead.cell.step, ahead.x, state, ahead.context)
    other, _ = loop(back.cell.step, ahead.x.flip(1), state, back.context)
    torch.testing.assert_close(y, torch.cat([one, other.flip(1)], -1))


def test_under_a_transform_of_torch():
    given = case()

    def total(x):
        return given.cell.sequence(x, given.state, given.context)[0].square().sum()

    want = torch.autograd.grad(total(given.x), given.x)[0]
    torch.testing.assert_close(torch.func.grad(total)(given.x.detach()), want)


def test_autocast_leaves_it_in_the_type_of_the_cell():
    given = case()
    want, _ = given.cell.sequence(given.x, given.state, given.context)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = given.cell.sequence(given.x, given.state, given.context)
    torch.testing.assert_close(y, want)
    assert len(leaves(given.context)) == 3
