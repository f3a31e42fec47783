"""A step that is not the same each time is refused by the line at which it differs."""

import re
from pathlib import Path

import pytest
import torch
from bench.user_cells import Hidden
from torch import nn

from recurra.cells import Cell
from recurra.errors import StepError

AGAIN = "for another batch or at another time"


class Counter(Cell):
    """tanh of what `change(count, from x, h)` makes; counts its steps in Python."""

    def __init__(self, change):
        super().__init__()
        self.input_size = self.output_size = 4
        self.project = nn.Linear(4, 4)
        self.change = change
        self.n = 0

    def initial_state(self, batch_size):
        return Hidden(self.project.weight.new_zeros(batch_size, 4))

    def step(self, x, state, context=None):
        self.n += 1
        h = self.change(self.n, self.project(x), state.h)
        return h, Hidden(h)


def scaled(n, u, h):
    return u + h * n  # here


def powered(n, u, h):
    return u + h**n  # here


def weighed(n, u, h):
    return u + h * 0.9**n  # here


def from_a_tensor(n, u, h):
    return u + h * torch.tensor(1.0 / n)  # here


def now_and_then(n, u, h):
    if n % 2:
        h = torch.sigmoid(h)  # here
    return u + h


def in_turns(n, u, h):
    return torch.tanh(u + h) if n % 2 else torch.sigmoid(u + h)  # here


def longer_and_longer(n, u, h):
    for _ in range(n):
        u = torch.tanh(u + h)  # here
    return u


def operands_in_turns(n, u, h):
    a = torch.tanh(u)
    b = torch.tanh(h)
    return a * (a if n % 2 else b)  # here


def more_parts(n, u, h):
    return torch.cat([u, h][: 1 + n % 2], dim=1)[:, :4] + h  # here


def columns(n, u, h):
    return u + h[:, : 5 - 2 * n].sum(1, keepdim=True)  # here


def pieces(n, u, h):
    return h.split(5 - n, dim=1)[0].sum(1, keepdim=True) + u  # here


def results_in_turns(n, u, h):
    a = torch.tanh(u + h)  # here
    b = torch.tanh(u - h)
    return a if n % 2 else b


CHANGES = [
    scaled,
    powered,
    weighed,
    from_a_tensor,
    now_and_then,
    in_turns,
    longer_and_longer,
    operands_in_turns,
    more_parts,
    columns,
    pieces,
    results_in_turns,
]


def line_of(change):
    first = change.__code__.co_firstlineno
    lines = Path(__file__).read_text().splitlines()
    return next(k for k, line in enumerate(lines[first - 1 :], first) if "# here" in line)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("grad", [False, True])
def test_a_step_that_counts_is_refused_by_its_line(change, grad):
    cell = Counter(change)
    with torch.set_grad_enabled(grad), pytest.raises(StepError) as caught:
        cell.sequence(torch.randn(2, 3, 4))
    message = str(caught.value)
    assert f"test_counting.py:{line_of(change)}: " in message.partition("; ")[0]
    assert "\n" not in message


def test_both_lines_are_named_where_another_operation_follows():
    cell = Counter(now_and_then)
    with pytest.raises(StepError, match=re.escape(AGAIN)) as caught:
        cell.sequence(torch.randn(2, 3, 4))
    lines = [int(each) for each in re.findall(r"test_counting\.py:(\d+)", str(caught.value))]
    here = line_of(now_and_then)
    assert lines == [here, here + 1]


def unchanged(n, u, h):
    return torch.where(torch.isnan(h), float("nan"), u + h)


def test_a_count_that_changes_nothing_is_let_in():
    cell, x = Counter(unchanged), torch.randn(2, 3, 4)
    y, _ = cell.sequence(x)
    torch.testing.assert_close(y, cell.project(x).cumsum(1))
