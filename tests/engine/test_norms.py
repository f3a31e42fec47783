"""Norms over the batch: refused while they learn, and a step like any other once they are fixed."""

import logging
import re

import pytest
import torch
from bench.user_cells import Hidden
from tests.engine.subjects import Case
from tests.engine.truth import assert_same, by_rows, measure
from torch import nn
from torch.nn import functional as F

from recurra.cells import Cell
from recurra.errors import StepError

LENGTHS = torch.tensor([5, 2, 0, 4])


class Normed(Cell):
    """tanh of a norm over what x and the state give."""

    def __init__(self, norm):
        super().__init__()
        self.input_size, self.output_size = 3, 4
        self.from_x = nn.Linear(3, 4, dtype=torch.float64)
        self.from_h = nn.Linear(4, 4, dtype=torch.float64)
        self.norm = norm

    def initial_state(self, batch_size):
        return Hidden(self.from_h.weight.new_zeros(batch_size, 4))

    def step(self, x, state, context=None):
        h = torch.tanh(self.norm(self.from_x(x) + self.from_h(state.h)))
        return h, Hidden(h)


class Planes(nn.Module):
    """A norm over channels of two columns each, taken as `torch.batch_norm` has it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.randn(2, dtype=torch.float64))
        self.register_buffer("variance", torch.rand(2, dtype=torch.float64) + 0.5)
        self.weight = nn.Parameter(torch.randn(2, dtype=torch.float64))

    def forward(self, u):
        planes = u.unflatten(1, (2, 2))
        made = torch.batch_norm(
            planes, self.weight, None, self.mean, self.variance, False, 0.1, 1e-5, False
        )
        return made.flatten(1)


def batch_norm(**options):
    norm = nn.BatchNorm1d(4, dtype=torch.float64, **options)
    with torch.no_grad():
        for each in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            if each is not None:
                each.uniform_(0.5, 2)
    return norm


FIXED = {
    "affine": lambda: batch_norm(),
    "not affine": lambda: batch_norm(affine=False),
    "channels": Planes,
}
LEARNING = {
    "module": lambda: batch_norm(),
    "without statistics": lambda: batch_norm(track_running_stats=False),
    "function": lambda: lambda u: F.batch_norm(u, None, None, training=True),
    "channels": lambda: lambda u: F.batch_norm(u[:, :, None], None, None, training=True)[:, :, 0],
}


def example(norm):
    torch.manual_seed(0)
    x = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    state = Hidden(torch.randn(4, 4, dtype=torch.float64, requires_grad=True))
    return Case(Normed(norm), x, state, None)


@pytest.mark.parametrize("norm", FIXED)
def test_a_fixed_norm_over_the_batch_is_a_step_like_any_other(norm, caplog):
    case = example(FIXED[norm]())
    case.cell.eval()
    got = measure(case, *case.sequence(lengths=LENGTHS))
    assert_same(got, measure(case, *by_rows(case, lengths=LENGTHS)), 1e-10)
    with torch.no_grad():
        y, _ = case.sequence(lengths=LENGTHS)
    assert torch.equal(y, got[0])
    assert not caplog.records  # natively


@pytest.mark.parametrize("norm", LEARNING)
def test_a_norm_that_learns_from_the_batch_is_refused(norm):
    case = example(LEARNING[norm]())
    before = {name: each.clone() for name, each in case.cell.state_dict().items()}
    with pytest.raises(StepError) as caught:
        case.sequence()
    line = r"test_norms\.py:\d+: native_batch_norm averages over the batch, .*LayerNorm"
    assert re.search(line, str(caught.value))
    after = case.cell.state_dict()
    assert all(torch.equal(each, after[name]) for name, each in before.items())


def test_a_norm_may_be_fixed_after_it_was_refused():
    case = example(batch_norm())
    with pytest.raises(StepError):
        case.sequence()
    case.cell.eval()
    assert case.sequence()[0].shape == (4, 5, 4)


def test_a_norm_of_each_row_alone_is_not_refused():
    case = example(lambda u: F.instance_norm(u[:, None])[:, 0])
    got = measure(case, *case.sequence(lengths=LENGTHS))
    assert_same(got, measure(case, *by_rows(case, lengths=LENGTHS)), 1e-10)


class Tally(nn.Module):
    """Keeps a tally in a buffer, and reads it where `used`."""

    def __init__(self, dtype, used):
        super().__init__()
        self.used = used
        self.register_buffer("steps", torch.zeros((), dtype=dtype))

    def forward(self, u):
        self.steps += 1
        return u / (1 + self.steps) if self.used else u


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float64], ids=str)
def test_a_step_that_writes_into_a_buffer_runs_as_it_is_written(dtype, used, caplog):
    case, twin = example(Tally(dtype, used)), example(Tally(dtype, used))
    with torch.no_grad(), caplog.at_level(logging.WARNING, "recurra"):
        y, _ = case.sequence()
        want, _ = by_rows(twin._replace(x=twin.x[:1], state=Hidden(twin.state.h[:1])))
    assert case.cell.norm.steps == 5
    assert_same([y[:1]], [want], 1e-12)


def test_a_trace_leaves_parameters_alone(caplog):
    class Drifting(nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, u):
            with torch.no_grad():
                self.rate.mul_(0.5)
            return self.rate * u

    case = example(Drifting())
    with torch.no_grad():
        case.sequence()
    assert case.cell.norm.rate == 0.5**5
    (told,) = (each.message for each in caplog.records)
    assert re.search(r"test_norms\.py:\d+: writing into a parameter", told)


def test_whole_numbers_that_no_row_reads_do_not_keep_a_cell_from_running_natively(caplog):
    class Numbered(nn.Module):
        def __init__(self, read):
            super().__init__()
            self.read = read
            self.register_buffer("number", torch.tensor(3))

        def forward(self, u):
            return u * self.number if self.read else u

    for read in (False, True):
        case = example(Numbered(read))
        got = measure(case, *case.sequence())
        assert_same(got, measure(case, *by_rows(case)), 1e-10)
        assert bool(caplog.records) == read
