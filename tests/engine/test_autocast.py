"""Autocast to bfloat16: products on tiles where the machine has them, everything else float32."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from tests.engine.rounding import ASTRAY, ROUNDING, Rounding, apart
from tests.engine.user_cells import Readout
from torch import Tensor

from recurra.cells import GRU, LSTM
from recurra.engine import leaves, loop, native
from recurra.layers import Bidirectional, Recurrent

SIZES = 20, 33  # features, width
CELLS = {"lstm": LSTM, "gru": GRU, "user": Readout}
every_cell = pytest.mark.parametrize("name", CELLS)
here = pytest.mark.skipif(not native.tiles(), reason="the machine multiplies no tiles")


def made(name: str, B: int = 5, T: int = 7):
    torch.manual_seed(0)
    return CELLS[name](*SIZES), torch.randn(B, T, SIZES[0], requires_grad=True)


def measured(cell, x, run) -> list[Tensor]:
    """Outputs, last states, and gradients."""
    y, state = run(cell, x)
    shown = [y, *leaves(state)]
    value = sum((each * torch.linspace(-1, 2, each.numel()).view_as(each)).sum() for each in shown)
    shown = [each.detach() for each in shown]
    return [*shown, *torch.autograd.grad(value, [x, *cell.parameters()])]


def plainly(cell, x):
    return cell.sequence(x)


def cast(cell, x, **options):
    with torch.autocast("cpu", torch.bfloat16):
        return cell.sequence(x, **options)


def by_steps(cell, x):
    with Rounding():
        return loop(cell.step, x, cell.initial_state(len(x)))


@here
@every_cell
def test_it_is_the_step_with_what_it_multiplies_rounded(name):
    """Sums round otherwise than there, so that some operand is rounded to its other neighbour."""
    cell, x = made(name)
    double = copy.deepcopy(cell).double()
    exact = measured(double, x.detach().double().requires_grad_(), by_steps)
    for got, wanted in zip(measured(cell, x, cast), exact, strict=True):
        assert got.dtype == torch.float32
        assert apart(got, wanted) < ASTRAY
        assert (got - wanted).abs().median() < 1e-6 * wanted.abs().median()


@here
@every_cell
def test_it_is_near_float32_and_is_not_float32(name):
    cell, x = made(name)
    pairs = zip(measured(cell, x, cast), measured(cell, x, plainly), strict=True)
    found = [apart(got, wanted) for got, wanted in pairs]
    assert found[0] > ROUNDING / 8
    assert max(found) < 4 * ROUNDING


@every_cell
def test_outside_of_it_nothing_changes(name):
    cell, x = made(name)
    before = measured(cell, x, plainly)
    first = measured(cell, x, cast)
    assert all(map(torch.equal, measured(cell, x, plainly), before))
    assert all(map(torch.equal, measured(cell, x, cast), first))
    double, wide = copy.deepcopy(cell).double(), x.detach().double().requires_grad_()
    assert all(map(torch.equal, measured(double, wide, cast), measured(double, wide, plainly)))


@every_cell
def test_the_bits_of_a_row_are_its_own_and_those_of_its_chunks(name):
    cell, x = made(name, 37)
    lengths = torch.arange(37) % 8
    whole, last = cast(cell, x, lengths=lengths)
    for begin, end in [(0, 1), (3, 7), (4, 29)]:
        y, state = cast(cell, x[begin:end], lengths=lengths[begin:end])
        assert torch.equal(y, whole[begin:end])
        assert all(map(torch.equal, leaves(state), [p[begin:end] for p in leaves(last)]))
    whole, last = cast(cell, x)
    y, state = cast(cell, x[:, :3])
    rest, state = cast(cell, x[:, 3:], state=state)
    assert torch.equal(torch.cat([y, rest], dim=1), whole)
    assert all(map(torch.equal, leaves(state), leaves(last)))
    with torch.no_grad():
        assert torch.equal(cast(cell, x)[0], whole)


@every_cell
def test_threads_and_checkpoints_make_no_difference(name):
    cell, x = made(name, 37)
    want = measured(cell, x, cast)
    pieces = measured(cell, x, lambda cell, x: cast(cell, x, checkpoint=3))
    assert all(map(torch.equal, pieces[:2], want[:2]))
    before = torch.get_num_threads()
    torch.set_num_threads(3 if before == 1 else 1)
    try:
        assert all(map(torch.equal, measured(cell, x, cast), want))
    finally:
        torch.set_num_threads(before)


def test_a_graph_may_be_used_again_and_outside_of_it():
    cell, x = made("lstm")
    y, _ = cast(cell, x)
    first = torch.autograd.grad(y.square().sum(), [*cell.parameters()], retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        again = torch.autograd.grad(y.square().sum(), [*cell.parameters()])
    assert all(map(torch.equal, first, again))


def test_both_directions_go_at_once():
    torch.manual_seed(0)
    layer, x = Bidirectional(LSTM(*SIZES), GRU(*SIZES)), torch.randn(4, 6, 20)
    lengths = torch.tensor([6, 2, 0, 5])
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = Recurrent(layer)(x, lengths=lengths)
        ahead, _ = layer.forward_cell.sequence(x, lengths=lengths)
        back, _ = Recurrent(layer.backward_cell, reverse=True)(x, lengths=lengths)
    assert torch.equal(y, torch.cat([ahead, back], dim=-1))
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = Recurrent(layer)(x.bfloat16(), lengths=lengths)
    assert half.dtype == torch.float32


def test_other_types_of_autocast_change_nothing():
    cell, x = made("gru")
    with torch.autocast("cpu", torch.float16):
        y, _ = cell.sequence(x)
    assert torch.equal(y, cell.sequence(x)[0])


def test_a_narrow_matrix_stays_float32():
    torch.manual_seed(0)
    cell, x = LSTM(3, 15), torch.randn(2, 5, 3)
    assert all(map(torch.equal, leaves(cast(cell, x)), leaves(cell.sequence(x))))


ELSEWHERE = """
import torch
from recurra.cells import GRU
from recurra.engine import native
cell, x = GRU(20, 33), torch.randn(3, 4, 20)
with torch.autocast("cpu", torch.bfloat16):
    y, _ = cell.sequence(x)
y.sum().backward()
cast = [each.grad for each in cell.parameters()]
cell.zero_grad(set_to_none=True)
cell.sequence(x)[0].sum().backward()
plain = [each.grad for each in cell.parameters()]
same = torch.equal(y, cell.sequence(x)[0]) and all(map(torch.equal, cast, plain))
print(native.level(), same)
"""


def test_without_tiles_it_stays_float32():
    level = "generic" if native.level() == "generic" else "avx512" if native.tiles() else "generic"
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        capture_output=True,
        text=True,
        env={**os.environ, "RECURRA_SIMD": level, "RECURRA_NATIVE": "1"},
    )
    assert done.stdout.split() == [level, "True"], done.stderr
