"""Elementwise recurrences cut by channels: what may be cut, and that it changes no bit."""

import pytest
import torch
from bench.user_cells import Scan, ScanInputs
from tests.engine.truth import assert_same
from torch import nn

from recurra.cells import GRU, Cell, LayerNormLSTM
from recurra.engine import channels, leaves, loop, native
from recurra.engine.autograd import machine
from recurra.engine.traced import Wanted, tensors_of, traced


class Leaky(Cell):
    """h = tanh(w * x + u * h + b), with a second state that is a running mean of h."""

    def __init__(self, size, dtype=torch.float64):
        super().__init__()
        self.input_size = self.output_size = size
        self.w, self.u, self.b = (nn.Parameter(torch.randn(size, dtype=dtype)) for _ in range(3))

    def initial_state(self, batch_size):
        return tuple(self.w.new_zeros(2, batch_size, self.output_size).unbind())

    def step(self, x, state, context=None):
        h = torch.tanh(self.w * x + self.u * state[0] + self.b)
        return h * torch.sigmoid(state[1]), (h, 0.9 * state[1] + 0.1 * h)


def made(cell, x, *, training):
    state = cell.initial_state(len(leaves(x)[0]))
    found = traced(cell, type(cell).step, tensors_of(cell), x, state, None)
    wanted = None
    if training:
        count = len(tensors_of(cell))
        wanted = Wanted((True,) * count, (True,) * len(leaves(x)), ())
    return machine(found, torch.float64, wanted)


def scan_inputs(*shape):
    return ScanInputs(
        torch.rand(*shape, dtype=torch.float64), torch.randn(*shape, dtype=torch.float64)
    )


@pytest.mark.parametrize("training", [False, True])
def test_only_what_no_instruction_crosses_is_cut(training):
    x = torch.zeros(2, 3, 8, dtype=torch.float64)
    assert made(Scan(8, dtype=torch.float64), scan_inputs(2, 3, 8), training=training).channels == 8
    assert made(Leaky(8), x, training=training).channels == 8
    for cell in (GRU(8, 8, dtype=torch.float64), LayerNormLSTM(8, 8, dtype=torch.float64)):
        assert made(cell, x, training=training).channels == 0


def test_it_is_cut_where_rows_are_too_few():
    much = channels.LEAST_NUMBERS
    assert channels.parts(256, 1, much, 2) == 2
    assert channels.parts(256, 1, much, 3) == 2  # 256 columns in three equal parts there are not
    assert channels.parts(255, 1, much, 3) == 3
    assert channels.parts(257, 1, much, 3) == 1
    assert channels.parts(256, 8, much, 2) == 1  # two tiles of four rows
    assert channels.parts(256, 8, much, 4) == 2
    assert channels.parts(64, 1, much, 2) == 1
    assert channels.parts(0, 1, much, 2) == 1
    assert channels.parts(256, 1, 3, 2) == 1


@pytest.fixture
def threads(monkeypatch):
    """Everything is cut; the numbers of threads one after another, and how many jobs they made."""
    monkeypatch.setattr(channels, "LEAST_NUMBERS", 1)
    monkeypatch.setattr(channels, "LEAST_COLUMNS", 1)
    jobs, run, before = [], native.run, torch.get_num_threads()

    def counting(listed, number):
        jobs.append(len(listed))
        run(listed, number)

    monkeypatch.setattr(native, "run", counting)
    yield jobs
    torch.set_num_threads(before)


def measure(cell, x, lengths, through):
    watched = [*cell.parameters(), *(part.requires_grad_() for part in leaves(x))]
    y, state = through(x, lengths)
    value = y.square().sum() + sum(part.sin().sum() for part in state)
    kept = torch.autograd.grad(value, watched, retain_graph=True)
    again = torch.autograd.grad(value, watched)
    assert all(map(torch.equal, kept, again))
    return [y.detach(), *(part.detach() for part in state), *kept]


@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("D", [12, 21])
@pytest.mark.parametrize("name", ["scan", "leaky"])
def test_parts_of_the_channels_change_no_bit(name, D, B, threads):
    torch.manual_seed(0)
    cell = Leaky(D) if name == "leaky" else Scan(D, dtype=torch.float64)
    x = torch.randn(B, 7, D, dtype=torch.float64) if name == "leaky" else scan_inputs(B, 7, D)
    for lengths in (None, torch.tensor([4, 7, 0][:B])):
        found = []
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            threads.clear()
            found.append(measure(cell, x, lengths, lambda x, n: cell.sequence(x, lengths=n)))
            assert set(threads) == {max(p for p in range(1, number + 1) if D % p == 0)}
            assert all(map(torch.equal, found[0], found[-1]))
        if lengths is None:
            want = measure(cell, x, None, lambda x, _: loop(cell.step, x, cell.initial_state(B)))
            assert_same(found[0], want, 1e-10)
