"""What a cell owes beside its numbers: it stands in these tests by standing in CELLS."""

from contextlib import nullcontext

import pytest
import torch
from tests.engine.rounding import ASTRAY, Rounding
from tests.engine.subjects import example
from tests.engine.truth import assert_same, by_steps, measure
from torch import nn
from torch.func import vmap

from recurra.cells import CELLS
from recurra.engine import explain, leaves, loop, native, refill, tree_map

every_cell = pytest.mark.parametrize("name", CELLS)


def forms(*wanted):
    """Each cell with each of its forms: most have none but the step."""
    parallel = {name: CELLS[name](3, 4).has_parallel for name in CELLS}
    return [(name, form) for name in CELLS for form in wanted if form == "step" or parallel[name]]


# At 0 a relu has no derivative, and float64 is there to see it.
SMALL = {"atol": 1e-6, "rtol": 1e-5}


def detached(tree):
    return tree_map(torch.detach, tree)


@every_cell
def test_it_runs_natively(name):
    case = example(name, 2, 3)
    said = explain(case.cell, detached(case.x), detached(case.state)).splitlines()
    assert said[1].split()[:2] == ["inference", "natively,"], said[1]
    assert said[2].split()[:2] == ["training", "natively,"], said[2]


@pytest.mark.parametrize(("name", "form"), forms("step", "auto", "parallel"))
def test_finite_differences_agree_with_its_gradients(name, form):
    case = example(name, 2, 4, 2, 3)
    case.cell.form = form
    held = [p for p in case.cell.parameters() if p.requires_grad]
    lengths = torch.tensor([4, 2])

    def outputs(*inputs):
        x, state = inputs[0], refill(case.state, inputs[1 : 1 + len(leaves(case.state))])
        y, last = case.cell.sequence(x, state, lengths=lengths)
        return (y, *leaves(last))

    assert torch.autograd.gradcheck(outputs, (case.x, *leaves(case.state), *held), **SMALL)


class OneStep(nn.Module):
    """A step as a module that tensors go in and out of."""

    def __init__(self, cell, state):
        super().__init__()
        self.cell, self.kind = cell, state

    def forward(self, x, *state):
        y, last = self.cell.step(x, refill(self.kind, state))
        return (y, *leaves(last))


@every_cell
def test_a_step_can_be_exported(name):
    case = example(name, 3, 1, dtype=torch.float32)
    state = detached(case.state)
    module = OneStep(case.cell.requires_grad_(False), state)
    given = (case.x[:, 0].detach(), *leaves(state))
    program = torch.export.export(module, given)
    assert_same(program.module()(*given), module(*given), 1e-6)


@every_cell
def test_a_compiled_sequence_gives_the_same(name, compiled):
    case = example(name, 2, 3)
    got = measure(case, *compiled(case.cell.sequence)(case.x, case.state))
    assert_same(got, measure(case, *by_steps(case)), 1e-10)


@every_cell
def test_sequences_under_vmap(name):
    case = example(name, 2, 3)
    case.cell.requires_grad_(False)
    x, state = detached(case.x), detached(case.state)
    several = torch.stack([x, x.flip(0), 2 * x])
    got, _ = vmap(lambda each: case.cell.sequence(each, state))(several)
    for one, y in zip(several, got, strict=True):
        assert_same([y], [loop(case.cell.step, one, state)[0]], 1e-10)


@every_cell
def test_a_row_does_not_feel_the_others(name):
    case = example(name, 5, 6)
    case.cell.requires_grad_(False)
    order = torch.tensor([3, 0, 4, 1])
    x, state = detached(case.x), detached(case.state)
    whole, last = case.cell.sequence(x, state)
    some, last_some = case.cell.sequence(x[order], tree_map(lambda part: part[order], state))
    assert torch.equal(some, whole[order])
    assert all(
        torch.equal(a, b[order]) for a, b in zip(leaves(last_some), leaves(last), strict=True)
    )


@every_cell
def test_what_comes_in_stays_as_it_is(name):
    case = example(name, 3, 6)
    given = [*leaves(case.x), *leaves(case.state)]
    before = [each.detach().clone() for each in given]
    y, last = case.cell.step(case.x[:, 0], case.state)
    measure(case, *case.sequence(reset=torch.rand(3, 6) < 0.3))
    measure(case, y[:, None], last)
    assert all(map(torch.equal, before, given))


@every_cell
def test_training_with_the_noise_of_one_draw(name):
    case = example(name, 3, 6)
    case.cell.train()
    context = case.cell.sample_context(3)
    got = measure(case, *case.cell.sequence(case.x, case.state, context))
    assert_same(got, measure(case, *loop(case.cell.step, case.x, case.state, context)), 1e-10)


@pytest.mark.parametrize(("name", "form"), forms("step", "auto"))
def test_inputs_of_thirty_for_thousands_of_steps(name, form):
    torch.manual_seed(0)
    cell = CELLS[name](3, 4).requires_grad_(False)
    cell.form = form
    shape = cell.x_shape or (3,)
    y, last = cell.sequence(30.0 * torch.randn(2, 4096, *shape).sign())
    assert all(each.isfinite().all() for each in (y, *leaves(last)))


@every_cell
def test_it_learns_in_bfloat16_autocast(name):
    """As the loop does, but for products on tiles, where a cell has any this large."""
    case = example(name, 2, 5, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = case.sequence()
    assert y.dtype == torch.float32
    got = measure(case, y, case.state)[:1]
    with Rounding() if native.tiles() else nullcontext() as rounding:
        wanted = loop(case.cell.step, case.x, case.state)[0]
    assert_same(got, [wanted], ASTRAY if rounding and rounding.count else 1e-5)
