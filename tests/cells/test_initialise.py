"""First weights: of which parameters, where, and how they are spread."""

import math

import pytest
import torch
from torch import nn

from recurra.cells import (
    CELLS,
    GRU,
    LSTM,
    MGU,
    CoupledLSTM,
    Elman,
    Highway,
    IndRNN,
    LayerNormLSTM,
    MinGRU,
    ResetBeforeGRU,
    chrono_,
    forget_bias_,
    irnn_,
    orthogonal_,
)
from recurra.errors import OptionError

LSTMS = ["lstm", "layer_norm_lstm", "mogrifier_lstm", "on_lstm", "peephole_lstm", "slstm"]
# Cell, then the columns of its biases that keep, and whether 1 keeps.
KEPT = {
    "gru": (GRU, slice(20, 40), 1),
    "reset before": (ResetBeforeGRU, slice(20, 40), 1),
    "mgu": (MGU, slice(0, 20), -1),
    "coupled": (CoupledLSTM, slice(0, 20), 1),
    "coupled, forget": (
        lambda *sizes: CoupledLSTM(*sizes, coupling="forget"),
        slice(0, 20),
        -1,
    ),
    "highway": (Highway, slice(20, 40), -1),
    "mingru": (MinGRU, slice(0, 20), -1),
}


def biases(cell):
    return {key: p.detach() for key, p in cell.named_parameters() if "bias" in key and p.ndim}


def summed(cell):
    """The biases of all gates, added where the cell adds them."""
    held = biases(cell)
    names = [name for name in ("bias_ih", "bias_hh", "project.bias") if name in held]
    return sum(held[name] for name in names)


@pytest.mark.parametrize("name", LSTMS)
def test_the_forget_gates_bias_is_set_once(name):
    cell = CELLS[name](3, 20)
    before = {key: p.clone() for key, p in cell.named_parameters()}
    forget_bias_(cell, 1.5)
    assert (summed(cell)[20:40] == 1.5).all()
    for key, now in cell.named_parameters():
        rest = torch.ones_like(now, dtype=torch.bool)
        if key in ("bias_ih", "bias_hh"):
            rest[20:40] = False
        assert torch.equal(now[rest], before[key][rest])


@pytest.mark.parametrize("name", LSTMS)
def test_times_are_spread_over_an_lstm(name):
    torch.manual_seed(0)
    cell = CELLS[name](3, 2000)
    chrono_(cell, 101)
    keep, write = summed(cell)[2000:4000], summed(cell)[:2000]
    assert torch.equal(write, -keep)
    times = keep.exp()
    assert 1 <= times.min() < 2
    assert 99 < times.max() <= 100.001
    assert abs(times.mean().item() - 50.5) < 3  # uniform


@pytest.mark.parametrize("name", KEPT)
def test_times_are_spread_over_other_cells(name):
    make, rows, sign = KEPT[name]
    torch.manual_seed(0)
    cell = make(3, 20)
    chrono_(cell, 50)
    times = (sign * summed(cell)[..., rows]).exp()
    assert 1 <= times.min() < times.max() <= 49.001
    forget_bias_(cell, 2.0)
    assert (summed(cell)[..., rows] == 2.0 * sign).all()


@pytest.mark.parametrize("name", [*LSTMS, *KEPT])
def test_a_large_bias_keeps_the_memory(name):
    """Whatever the convention: the state is what it was."""
    make = KEPT[name][0] if name in KEPT else CELLS[name]
    cell = make(3, 20).double()
    forget_bias_(cell, 60.0)
    state = cell.initial_state(2)
    parts = {key: torch.rand_like(part) + 0.1 for key, part in state._asdict().items()}
    state = type(state)(**parts)
    _, after = cell.step(torch.randn(2, 3, dtype=torch.float64), state)
    if name in ("lstm", "layer_norm_lstm", "mogrifier_lstm", "peephole_lstm"):
        new = after.c - state.c
        assert new.abs().max() < 1  # what is written is at most 1
        assert new.abs().max() > 0
    elif name == "slstm":  # over its scale
        grown = (after.n * torch.exp(after.m - state.m) - state.n).min()
        assert grown > 0
    elif name != "on_lstm":  # its master gate has a say as well
        torch.testing.assert_close(after[-1], state[-1])


def test_the_option_of_lstm_is_the_function():
    torch.manual_seed(5)
    cell = LSTM(3, 4, forget_bias=1.0)
    torch.manual_seed(5)
    plain = LSTM(3, 4)
    forget_bias_(plain, 1.0)
    for one, other in zip(cell.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
    assert (cell.bias_ih[4:8] == 1).all()
    assert not cell.bias_hh[4:8].any()


def test_an_irnn_copies_its_state():
    torch.manual_seed(0)
    cell = Elman(50, 40, nonlinearity="relu")
    irnn_(cell, 0.5)
    assert torch.equal(cell.weight_hh.detach(), 0.5 * torch.eye(40))
    assert abs(cell.weight_ih.std().item() - 1e-3) < 1e-4
    assert not cell.bias_ih.any()
    assert not cell.bias_hh.any()
    irnn_(cell)
    h = torch.rand(2, 40)
    y, _ = cell.sequence(torch.zeros(2, 9, 50), type(cell.initial_state(1))(h))
    assert torch.equal(y[:, -1], h)
    irnn_(Elman(3, 4, nonlinearity="relu", bias=False))


def has_squares(name):
    weight = getattr(CELLS[name](3, 7), "weight_hh", None)
    return isinstance(weight, nn.Parameter) and weight.ndim in (2, 3) and weight.shape[-1] == 7


SQUARES = [name for name in CELLS if has_squares(name)]


def test_most_gated_cells_have_square_matrices():
    assert {*LSTMS, "elman", "gru", "mgu", "cornn", "antisymmetric", "highway"} <= {*SQUARES}


@pytest.mark.parametrize("name", SQUARES)
def test_recurrent_matrices_are_orthogonal(name):
    cell = CELLS[name](3, 7, dtype=torch.float64)
    held = dict(cell.named_parameters(recurse=False))
    orthogonal_(cell)
    blocks = held["weight_hh"].detach().reshape(-1, 7, 7)
    one = torch.eye(7, dtype=torch.float64)
    torch.testing.assert_close(blocks @ blocks.mT, one.expand_as(blocks))
    assert len(blocks) < 2 or not torch.equal(blocks[0], blocks[1])


def test_a_projected_lstm_has_orthonormal_columns():
    cell = LSTM(3, 7, proj_size=3, dtype=torch.float64)
    orthogonal_(cell)
    blocks = cell.weight_hh.detach().view(4, 7, 3)
    one = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(blocks.mT @ blocks, one.expand(4, 3, 3))


REFUSED = {
    "forget_bias_: Elman has no gate that keeps a memory": lambda: forget_bias_(Elman(3, 4), 1.0),
    "forget_bias_: LSTM has no biases of gates, a cell with some fits": lambda: forget_bias_(
        LSTM(3, 4, bias=False), 1.0
    ),
    "chrono_: IndRNN has no gate that keeps a memory": lambda: chrono_(IndRNN(3, 4), 10),
    "chrono_: longest is 2, it must be at least 3": lambda: chrono_(LayerNormLSTM(3, 4), 2),
    "irnn_: cell is Elman, an Elman with nonlinearity 'relu' fits": lambda: irnn_(Elman(3, 4)),
    "irnn_: cell is GRU, an Elman with nonlinearity 'relu' fits": lambda: irnn_(GRU(3, 4)),
    "orthogonal_: MinGRU has no matrices in weight_hh": lambda: orthogonal_(MinGRU(3, 4)),
    "orthogonal_: IndRNN has no matrices in weight_hh": lambda: orthogonal_(IndRNN(3, 4)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_cell_that_does_not_fit_is_refused_in_one_line(message):
    with pytest.raises(OptionError) as caught:
        REFUSED[message]()
    assert str(caught.value) == message


def test_a_keeping_gate_keeps_for_about_its_time():
    """A memory whose gate has the bias log(T - 1) falls to 1 / e over T steps or so."""
    cell = LSTM(1, 1, dtype=torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih[1] = math.log(50 - 1)
    state = cell.initial_state(1)._replace(c=torch.ones(1, 1, dtype=torch.float64))
    _, after = cell.sequence(torch.zeros(1, 50, 1, dtype=torch.float64), state)
    assert abs(after.c.item() - math.exp(-1)) < 0.01
