"""Every cell that the engine is held against, and what to give it."""

from typing import Any, NamedTuple

import pytest
import torch
from bench.user_cells import Scan, ScanInputs, SoftmaxMemory
from tests.engine.odd_cells import ODD_CELLS, Attending, Dropped, Memory, Observed, Waiting
from tests.engine.user_cells import VECTOR_CELLS
from torch import nn

from recurra import cells
from recurra.cells import (
    CELLS,
    LSTM,
    Cell,
    ConvLSTM,
    LinearAttentionState,
    PhasedLSTM,
    SLSTMState,
)
from recurra.engine import tree_map


def projected(input_size, hidden_size, **options):
    """An LSTM whose output is narrower than its memory."""
    return LSTM(input_size, hidden_size + 1, proj_size=(hidden_size + 1) // 2, **options)


MEASURED: dict[str, type[Cell]] = {
    "softmax memory": SoftmaxMemory,
    "projection lstm": projected,
    "scan": Scan,
}


def peeping(input_size, hidden_size, **options):
    """Images that are no squares, and gates that see the memory."""
    cell = ConvLSTM(input_size, hidden_size, size=(3, 2), kernel=5, peephole=True, **options)
    nn.init.normal_(cell.weight_peephole)
    return cell


def rhythmic(input_size, hidden_size, **options):
    """Units that are open for half of a short period."""
    options |= {"peephole": True, "periods": (2.0, 20.0), "open_ratio": 0.5}
    return PhasedLSTM(input_size, hidden_size, **options)


# Cells over uneven time, once more with gaps, and where they take them with missing values.
TIMED = ["cfc", "gru_d", "ltc", "ode_rnn", "phased_lstm"]
OTHERS: dict[str, type[Cell]] = {
    **{f"{name} over time": CELLS[name] for name in TIMED},
    "gru_d observed": CELLS["gru_d"],
    "phased_lstm rhythmic": rhythmic,
    "conv_lstm peephole": peeping,
}
SUBJECTS: dict[str, type[Cell]] = {**CELLS, **MEASURED, **VECTOR_CELLS, **ODD_CELLS, **OTHERS}
# With what it has by default, the loop over thousands of its steps takes minutes.
SMALLER = {"s4d": {"state_size": 8}}
every_cell = pytest.mark.parametrize("name", SUBJECTS)
# One of each kind in the catalogue, for laws of what stands around a cell, which take long.
FEW = ["elman", "gru", "lstm", "slstm", "gru_d", "mingru", "mamba", "gated_deltanet"]
# Those in the catalogue that read features; the others read images.
FEATURED = [name for name in CELLS if CELLS[name](1, 1).x_shape is None]


class Case(NamedTuple):
    """A cell and the arguments of one sequence, every float among them with a gradient."""

    cell: Cell
    x: Any
    state: Any
    context: Any

    def sequence(self, **options):
        return self.cell.sequence(self.x, self.state, self.context, **options)


def build(name, F=3, H=5, dtype=torch.float64):
    """The same cell for the same arguments; it runs by its step, which is what an engine does."""
    torch.manual_seed(F + 10 * H)
    cell = SUBJECTS[name](F, H, dtype=dtype, **SMALLER.get(name, {})).eval()
    cell.form = "step"
    return cell


def example(name, B, T, F=3, H=5, dtype=torch.float64, scale=1.0):
    """A cell with random arguments; `scale` is that of x."""
    cell = build(name, F, H, dtype)
    x = _x(cell, B, T, name)
    if isinstance(x, Observed | cells.Observed | cells.Timed):
        x = x._replace(value=x.value * scale)  # a gap below the smallest normal number counts as 0
    else:
        x = tree_map(lambda part: part * scale, x)
    return Case(cell, *map(_watched, (x, _state(cell, B), _context(cell, B))))


def _dtype(cell):
    return next(p for p in (*cell.parameters(), *cell.buffers())).dtype


def _x(cell, B, T, name=""):
    value = torch.randn(B, T, *(cell.x_shape or (cell.input_size,)), dtype=_dtype(cell))
    if isinstance(cell, Scan):
        return ScanInputs(torch.sigmoid(torch.randn_like(value)), value)
    if isinstance(cell, Waiting):
        gap = torch.rand(B, T, dtype=value.dtype)
        return Observed(value, torch.rand(value.shape) < 0.6, gap)
    if name.endswith(" over time"):
        return cells.Timed(value, torch.rand(B, T, dtype=value.dtype) * 2)
    if name.endswith(" observed"):
        gap = torch.rand(B, T, 1, dtype=value.dtype)
        return cells.Observed(value, torch.rand(value.shape) < 0.6, gap)
    return value


def _state(cell, B):
    """The initial state, moved a little."""

    def move(part):
        if not part.is_floating_point():
            return part + torch.arange(B)
        return part + torch.rand(part.shape, dtype=part.dtype) * 0.8 - 0.4

    return lifted(tree_map(move, cell.initial_state(B)))


def lifted(state):
    """The same state, with what a cell divides by above 0, as that cell keeps it."""
    if torch.is_tensor(state):
        return state
    if isinstance(state, SLSTMState | LinearAttentionState):
        return state._replace(n=state.n.abs() + 0.5)
    parts = [lifted(part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


def _context(cell, B):
    if isinstance(cell, Dropped):
        return torch.rand(B, cell.output_size, dtype=_dtype(cell))
    if isinstance(cell, Attending):
        there = torch.rand(B, 5) < 0.6
        there[:, 1] = True
        return Memory(torch.randn(B, 5, cell.output_size, dtype=_dtype(cell)), there)
    return None


def _watched(tree):
    """Leaves of the graph, each with a gradient where it can have one."""

    def watch(part):
        return part.detach().clone().requires_grad_(part.is_floating_point())

    return tree_map(watch, tree)
