"""What the logger is told: what runs in plain torch and why, once a cell and reason."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from bench.user_cells import Hidden
from tests.engine.subjects import Case
from tests.engine.truth import assert_same, by_steps, measure
from torch import nn
from torch.nn import functional as F

from recurra.cells import Cell

ROOT = Path(__file__).parents[2]


class Shared(Cell):
    """One matrix on x and on the state, joined: a gradient the engine has no native form for."""

    def __init__(self):
        super().__init__()
        self.input_size, self.output_size = 4, 4
        self.project = nn.Linear(4, 4, dtype=torch.float64)
        self.small = nn.Linear(2, 2, dtype=torch.float64)

    def initial_state(self, batch_size):
        return Hidden(self.small.weight.new_zeros(batch_size, 4))

    def step(self, x, state, context=None):
        both = torch.stack([x[:, :2], state.h[:, 2:]], 1)
        h = torch.tanh(self.project(x) + self.small(both).flatten(1))
        return h, Hidden(h)


class Sorting(Shared):
    """No rule says what a sort does to a row."""

    def step(self, x, state, context=None):
        h = torch.tanh(self.project(x) + F.linear(state.h, self.project.weight).sort(1).values)
        return h, Hidden(h)


def example(make):
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    return Case(make(), x, Hidden(torch.randn(3, 4, dtype=torch.float64, requires_grad=True)), None)


def said(caplog):
    found = [each.getMessage() for each in caplog.records if each.name == "recurra"]
    caplog.clear()
    return found


def test_what_trains_in_plain_torch_is_said_once(caplog):
    case = example(Shared)
    with torch.no_grad():
        case.sequence()
    assert not said(caplog)
    got = measure(case, *case.sequence())
    (line,) = said(caplog)
    assert line == "Shared trains in plain torch: a gradient of joined heads"
    case.sequence()
    example(Shared).sequence()
    assert not said(caplog)
    assert_same(got, measure(case, *by_steps(case)), 1e-10)


@pytest.mark.parametrize("grad", [False, True])
def test_what_cannot_be_traced_is_said_once(caplog, grad):
    make = type("SortingTrained" if grad else "SortingAsked", (Sorting,), {})
    with torch.set_grad_enabled(grad):
        for _ in range(2):
            example(make).sequence()
    (line,) = said(caplog)
    assert line.startswith(f"{make.__name__} runs in plain torch: {__file__}:")


def test_without_the_library_each_cell_says_so_once():
    code = """
        import torch
        from recurra import GRU, LSTM

        for cell in (GRU(2, 3), GRU(2, 3), LSTM(2, 3), GRU(2, 4)):
            x = torch.ones(2, 4, 2, requires_grad=True)
            for _ in range(2):
                cell.sequence(x)[0].sum().backward()
                with torch.no_grad():
                    cell.sequence(x)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"RECURRA_NATIVE": "0"},
    )
    assert done.returncode == 0, done.stderr
    lines = [
        f"{name} runs in plain torch: the native library is not there" for name in ("GRU", "LSTM")
    ]
    assert done.stderr.splitlines() == lines
