"""Steps whose rows are matrices: sums down their columns, and sums over rows taken in time."""

import re

import pytest
import torch
from bench.user_cells import Hidden
from tests.engine.programs import Runner, Writer, nan, randn
from tests.engine.subjects import Case
from tests.engine.truth import assert_same, by_rows, measure
from torch import nn

from recurra import engine
from recurra.cells import LTC, Cell, Mamba
from recurra.engine.program import Code, Kind, Operand, Phase

DTYPES = (torch.float32, torch.float64)


class Grid(Cell):
    """A row is spread over J by K numbers, which are taken together down and along."""

    def __init__(self, J, K, dtype=torch.float64):
        super().__init__()
        self.input_size, self.output_size = J, K
        self.spread = nn.Parameter(torch.randn(J, K, dtype=dtype))
        self.mix = nn.Parameter(torch.randn(J, K, dtype=dtype) / J)

    def initial_state(self, batch_size):
        return Hidden(self.mix.new_zeros(batch_size, self.output_size))

    def step(self, x, state, context=None):
        wide = torch.tanh(x[:, :, None] * self.spread + state.h[:, None])
        share = torch.softmax(wide, dim=1)
        down = (wide * self.mix).sum(1) + wide.amax(1) - 0.5 * wide.mean(1)
        along = (share * wide).sum(2, keepdim=True)
        h = torch.tanh(down + (along * wide).sum(1) + share.square().sum(1))
        return h + wide.sum((1, 2))[:, None] / self.mix.numel(), Hidden(h)


def grid(J, K, B, T):
    torch.manual_seed(J + 10 * K)
    x = torch.randn(B, T, J, dtype=torch.float64, requires_grad=True)
    state = Hidden(torch.randn(B, K, dtype=torch.float64, requires_grad=True))
    return Case(Grid(J, K), x, state, None)


@pytest.mark.parametrize(("J", "K"), [(1, 1), (2, 1), (1, 5), (17, 3), (37, 19)])
def test_sums_down_and_along_a_matrix_are_the_loop(J, K):
    case, lengths = grid(J, K, 3, 4), torch.tensor([4, 1, 3])
    want = measure(case, *by_rows(case, lengths=lengths))
    assert_same(measure(case, *case.sequence(lengths=lengths)), want, 1e-10)


def test_a_cut_and_a_row_alone_change_no_bit():
    case = grid(37, 19, 5, 6)
    with torch.no_grad():
        whole, _ = case.cell.sequence(case.x)
        first, state = case.cell.sequence(case.x[:, :2])
        rest, _ = case.cell.sequence(case.x[:, 2:], state)
        alone, _ = case.cell.sequence(case.x[3:4])
    assert torch.equal(torch.cat([first, rest], dim=1), whole)
    assert torch.equal(alone[0], whole[3])


def reduced(name, numbers, places):
    """What a reduction makes of numbers (B, T, width), n groups of d columns at given places."""
    B, T, width = numbers[0].shape
    n, d, operands = places
    w = Writer(numbers[0].dtype)
    y = nan(B, T, n, dtype=w.dtype)
    target = w.buffer(Kind.CHUNK, n)
    held = [w.buffer(Kind.CHUNK, width) for _ in numbers]
    for buffer, x in zip(held, numbers, strict=True):
        w.say(Phase.F_BEFORE, Code.LOAD, 1, width, buffer, w.outside(Kind.OUTER, x))
    read = [Operand(buffer, *place) for buffer, place in zip(held, operands, strict=True)]
    w.say(Phase.F_STEP, name, n, d, Operand(target, 0, 1), *read, literal=0.3)
    w.say(Phase.F_AFTER, Code.STORE, 1, n, w.outside(Kind.OUTER, y), target)
    Runner(w, B, T).run()
    return y


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["sum", "dot", "sum_k", "dot_k", "amax", "amin"])
@pytest.mark.parametrize(("n", "d"), [(1, 2), (3, 40), (16, 16), (37, 19)])
def test_a_sum_down_the_columns_has_the_bits_of_one_along_them(n, d, name, dtype):
    count = 2 if name.startswith("dot") else 1
    numbers = [randn(5, 3, n, d, dtype=dtype, seed=k) for k in range(count)]
    along = reduced(name, [x.flatten(2) for x in numbers], (n, d, [(0, d, 1)] * count))
    turned = [x.transpose(2, 3).flatten(2).contiguous() for x in numbers]
    assert torch.equal(reduced(name, turned, (n, d, [(0, 1, n)] * count)), along)


def lines(cell, phase):
    """The instructions of a phase."""
    return engine.explain(cell).split(f"native{phase}, each step\n")[1].split("\n\n")[0].split("\n")


@pytest.mark.parametrize("phase", ["", " backward"])
@pytest.mark.parametrize("make", [LTC, Mamba, Grid])
def test_a_wider_step_has_no_more_instructions(make, phase):
    assert len(lines(make(24, 24), phase)) == len(lines(make(8, 8), phase))


def test_sums_over_rows_are_taken_while_what_they_read_is_there():
    """So the next part of a long step writes over it: its matrices need no memory of their own."""

    def scratch(unfolds):
        said = "\n".join(lines(LTC(3, 8, unfolds=unfolds), " backward"))
        return len(set(re.findall(r"tile\d+", said)))

    voltages = 4  # vectors, which are made beforehand
    assert scratch(8) - scratch(4) <= voltages
